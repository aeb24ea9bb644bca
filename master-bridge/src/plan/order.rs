//! Who goes before whom: by a grain, such as `level=ci,staging,prod`.

use std::str::FromStr;

/// A grain and the order of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBy {
    /// The grain; levels are separated by colons.
    pub grain: String,
    /// Its values, the first to go first.
    pub values: Vec<String>,
}

impl FromStr for OrderBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "must be GRAIN=FIRST,SECOND,… such as level=ci,staging,prod".to_owned();
        let (grain, values) = text.split_once('=').ok_or_else(bad)?;
        let values: Vec<String> = values
            .split(',')
            .map(str::trim)
            .filter(|v| !v.is_empty())
            .map(str::to_owned)
            .collect();
        if grain.trim().is_empty() || values.is_empty() {
            return Err(bad());
        }
        Ok(Self {
            grain: grain.trim().to_owned(),
            values,
        })
    }
}

impl OrderBy {
    /// The place of a minion with this value. The last value is the one that nobody may come after, so
    /// whoever has none of the values goes just before it.
    pub fn rank(&self, value: Option<&str>) -> usize {
        let last = self.values.len() - 1;
        match value.and_then(|v| self.values.iter().position(|known| known == v)) {
            Some(at) if at == last => last + 1,
            Some(at) => at,
            None => last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_is_last_even_after_the_unknown() {
        let by: OrderBy = "level=ci, staging,prod".parse().unwrap();
        let mut all = [Some("prod"), None, Some("staging"), Some("lab"), Some("ci")];
        all.sort_by_key(|value| by.rank(*value));
        assert_eq!(
            all,
            [Some("ci"), Some("staging"), None, Some("lab"), Some("prod")]
        );
    }

    #[test]
    fn mistakes_are_named() {
        for bad in ["", "level", "level=", "=prod", "level=,"] {
            assert!(bad.parse::<OrderBy>().is_err(), "{bad}");
        }
    }
}
