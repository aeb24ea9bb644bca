//! A stanza of a `.sources` file: fields and their values.

/// One stanza.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stanza {
    /// Comments above.
    pub header: Vec<String>,
    /// Fields in order.
    pub fields: Vec<(String, String)>,
    /// Comments below the first field.
    pub footer: Vec<String>,
}

impl Stanza {
    /// Takes a stanza apart.
    pub fn parse(text: &str) -> Self {
        let mut stanza = Self::default();
        for line in text.lines() {
            if line.starts_with('#') {
                if stanza.fields.is_empty() {
                    stanza.header.push(line.to_owned());
                } else {
                    stanza.footer.push(line.to_owned());
                }
                continue;
            }
            let field = line
                .split_once(':')
                .filter(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace));
            match (field, stanza.fields.last_mut()) {
                (Some((name, value)), _) => stanza
                    .fields
                    .push((name.to_owned(), value.trim().to_owned())),
                (None, Some((_, value))) if !line.is_empty() => {
                    value.push('\n');
                    value.push_str(line.trim_end());
                }
                _ => {}
            }
        }
        stanza
    }

    /// A field, whatever the case of its name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self
            .fields
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The words of a field.
    pub fn words(&self, name: &str) -> Vec<String> {
        let value = self.field(name).unwrap_or_default();
        value.split_whitespace().map(str::to_owned).collect()
    }

    /// Sets a field; an empty one goes.
    pub fn set(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            self.fields.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
            return;
        }
        let old = self
            .fields
            .iter_mut()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        match old {
            Some((_, old)) => value.clone_into(old),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The stanza as it is to be written, without the end of its last line.
    pub fn text(&self) -> String {
        let fields = self.fields.iter().map(|(name, value)| {
            // A continued value keeps its own indentation.
            format!("{name}: {value}")
        });
        let lines: Vec<_> = self
            .header
            .iter()
            .cloned()
            .chain(fields)
            .chain(self.footer.iter().cloned())
            .collect();
        lines.join("\n").trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_come_apart_and_together() {
        let text = "# why\nTypes: deb deb-src\nURIs: http://a\nSuites: s t\nComponents: main\nSigned-By:\n -----BEGIN\n .\n -----END";
        let mut stanza = Stanza::parse(text);
        assert_eq!(stanza.words("types"), ["deb", "deb-src"]);
        assert_eq!(stanza.field("signed-by").unwrap().lines().count(), 4);
        assert_eq!(stanza.text(), text.replace("Signed-By:\n", "Signed-By: \n"));
        stanza.set("suites", "t");
        stanza.set("Signed-By", "");
        assert_eq!(
            stanza.text(),
            "# why\nTypes: deb deb-src\nURIs: http://a\nSuites: t\nComponents: main"
        );
    }
}
