//! Two states that name each other are refused before the run; longer loops are found while it goes on.

use std::collections::HashMap;

use salt_wire::Value;

use crate::context::python;

/// The requisites that were seen, by the ID that has them.
#[derive(Default)]
pub(crate) struct Loops {
    seen: HashMap<String, Seen>,
}

struct Seen {
    state: String,
    /// Named ID to the module that it was named with.
    names: HashMap<String, String>,
}

impl Loops {
    /// The requisites whose form is looked at.
    pub(crate) const LOOKED_AT: &[&str] = &["require", "watch", "prereq", "onchanges"];

    /// The references of one requisite follow. As in Salt those of an earlier one of the same ID are forgotten.
    pub(crate) fn begin(&mut self, id: &str, state: &str) {
        let seen = Seen {
            state: state.to_owned(),
            names: HashMap::new(),
        };
        self.seen.insert(id.to_owned(), seen);
    }

    /// One reference: the error, if what it names has named this state.
    pub(crate) fn add(
        &mut self,
        id: &str,
        sls: &str,
        state: &str,
        key: &str,
        target: &Value,
    ) -> Option<String> {
        let target = python::text(target);
        let own = self.seen.get_mut(id)?;
        own.names.insert(target.clone(), key.to_owned());
        let other = self.seen.get(&target)?;
        let named = other.names.get(id).is_some_and(|with| with == state);
        (named && other.state == key).then(|| {
            format!("A recursive requisite was found, SLS \"{sls}\" ID \"{id}\" ID \"{target}\"")
        })
    }
}
