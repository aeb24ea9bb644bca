//! Names or ids: the one that is meant, or an error that lists who could be.

use crate::error::{Error, Kind, Result};

/// Something with an id and a name.
pub trait Named {
    /// What it is called in messages, in the singular.
    const KIND: &'static str;

    /// Its id.
    fn id(&self) -> &str;

    /// Its name.
    fn name(&self) -> &str;

    /// What tells it from others of its name.
    fn about(&self) -> String {
        String::new()
    }

    /// Whether this is another way to name exactly it, such as an address.
    fn answers_to(&self, _word: &str) -> bool {
        false
    }
}

/// The place of the one that a word means: its id, else its name, else another way to name it. Nothing if there is none;
/// several are an error.
pub fn find<T: Named>(all: &[T], word: &str) -> Result<Option<usize>> {
    let fits: [fn(&T, &str) -> bool; 3] = [
        |one, word| one.id() == word,
        |one, word| one.name() == word,
        |one, word| one.answers_to(word),
    ];
    let meant = fits.into_iter().map(|fit| {
        let places = all.iter().enumerate().filter(|(_, one)| fit(one, word));
        places.map(|(at, _)| at).collect::<Vec<_>>()
    });
    let Some(meant) = meant.into_iter().find(|meant| !meant.is_empty()) else {
        return Ok(None);
    };
    if let [one] = meant.as_slice() {
        return Ok(Some(*one));
    }
    let text = format!("{} {}s are called {word}", meant.len(), T::KIND);
    let mut error = Error::new(Kind::NothingMatched, text).hint("name one by its id");
    let meant = meant.into_iter().filter_map(|at| all.get(at));
    error.causes = meant
        .map(|one| format!("{} {}", one.id(), one.about()).trim().to_owned())
        .collect();
    Err(error)
}

/// The one that a word means; nothing is an error, too, that says what there is.
pub fn pick<T: Named>(mut all: Vec<T>, word: &str) -> Result<T> {
    match find(&all, word)? {
        Some(at) => Ok(all.swap_remove(at)),
        None => Err(none(&all, word)),
    }
}

/// All that words mean, each exactly one.
pub fn pick_all<T: Named + Clone>(all: &[T], words: &[String]) -> Result<Vec<T>> {
    words.iter().map(|word| pick(all.to_vec(), word)).collect()
}

/// What to say when there is none.
pub fn none<T: Named>(all: &[T], word: &str) -> Error {
    const SHOWN: usize = 8;
    let mut names: Vec<&str> = all
        .iter()
        .map(Named::name)
        .filter(|n| !n.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    let hint = match names.len() {
        0 => format!("this project has no {} at all", T::KIND),
        1..=SHOWN => format!("there is {}", names.join(", ")),
        many => {
            // Those that look alike come first.
            let key = word.to_lowercase();
            names.sort_by_key(|name| !name.to_lowercase().contains(&key));
            format!(
                "there is {}, and {} more",
                names[..SHOWN].join(", "),
                many - SHOWN
            )
        }
    };
    Error::new(
        Kind::NothingMatched,
        format!("there is no {} {word}", T::KIND),
    )
    .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Thing(&'static str, &'static str);

    impl Named for Thing {
        const KIND: &'static str = "thing";

        fn id(&self) -> &str {
            self.0
        }

        fn name(&self) -> &str {
            self.1
        }

        fn about(&self) -> String {
            "10.0.0.1".into()
        }

        fn answers_to(&self, word: &str) -> bool {
            word == "10.0.0.9" && self.0 == "3"
        }
    }

    #[test]
    fn an_id_is_stronger_than_a_name_and_twins_are_listed() {
        let all = || vec![Thing("1", "app"), Thing("2", "app"), Thing("3", "1")];
        assert_eq!(pick(all(), "1").unwrap(), Thing("1", "app"));
        assert_eq!(pick(all(), "10.0.0.9").unwrap().0, "3");
        let twins = pick(all(), "app").unwrap_err();
        assert_eq!(twins.message, "2 things are called app");
        assert_eq!(twins.causes, ["1 10.0.0.1", "2 10.0.0.1"]);
        let none = pick(all(), "ap").unwrap_err();
        assert_eq!(none.hint.as_deref(), Some("there is 1, app"));
        assert!(pick(Vec::<Thing>::new(), "x").is_err());
        assert_eq!(find(&all(), "ap").unwrap(), None);
        assert_eq!(find(&all(), "10.0.0.9").unwrap(), Some(2));
        assert!(find(&all(), "app").is_err(), "several are not nothing");
    }
}
