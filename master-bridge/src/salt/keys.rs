//! Minion keys on a master: their states and their fingerprints, computed here from the PEM.
//!
//! 3008's own fingerprints hash the armour too and so differ from what the minion shows; the master's
//! word is never asked for.

use std::collections::BTreeMap;

use salt_wire::crypto::{Fingerprint, HashType, PublicKey};
use salt_wire::{Map, Value};

use super::Master;
use crate::error::{Error, Kind, Result};

/// Where a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyState {
    /// Its minion may work.
    Accepted,
    /// Nobody has decided.
    Pending,
    /// Somebody said no.
    Rejected,
    /// Another key came under an id that has one.
    Denied,
}

impl KeyState {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Pending, Self::Rejected, Self::Denied];

    /// Salt's folder, which is also the key in its answers.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Accepted => "minions",
            Self::Pending => "minions_pre",
            Self::Rejected => "minions_rejected",
            Self::Denied => "minions_denied",
        }
    }

    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::Denied => "denied",
        }
    }
}

/// One key.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its minion's id.
    pub id: String,
    /// Where it is.
    pub state: KeyState,
    /// The key itself; `None` if the master's file holds something else.
    pub key: Option<PublicKey>,
}

impl Key {
    /// Its SHA-256 fingerprint, as the minion shows it.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        Some(self.key.as_ref()?.fingerprint(HashType::Sha256))
    }

    /// The fingerprint as text, or what is wrong.
    pub fn shown(&self) -> String {
        self.fingerprint()
            .map_or_else(|| "no readable key".into(), |f| f.to_string())
    }
}

/// All keys of a master, by id; an id may have a denied key beside another.
pub async fn all(master: &mut dyn Master) -> Result<Vec<Key>> {
    let listed = master.wheel("key.list_all", Vec::new()).await?;
    let printed = master.wheel("key.print", vec!["*".into()]).await?;
    Ok(collect(&listed, &printed))
}

fn collect(listed: &Value, printed: &Value) -> Vec<Key> {
    let mut keys = Vec::new();
    for state in KeyState::ALL {
        let ids = listed.get(state.folder()).and_then(Value::as_list);
        for id in ids.unwrap_or_default().iter().filter_map(Value::as_str) {
            let pem = printed.get(state.folder()).and_then(|all| all.get(id));
            let pem = match pem {
                // 3008 may have several denied keys of one id; the last is the newest.
                Some(Value::List(many)) => many.last().and_then(Value::as_str),
                other => other.and_then(Value::as_str),
            };
            keys.push(Key {
                id: id.to_owned(),
                state,
                key: pem.and_then(|pem| PublicKey::from_pem(pem).ok()),
            });
        }
    }
    keys.sort_by(|a, b| (&a.id, a.state).cmp(&(&b.id, b.state)));
    keys
}

/// What can be done to keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Let the minion work.
    Accept,
    /// Keep it out.
    Reject,
    /// Forget the key.
    Delete,
}

impl Action {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Delete => "delete",
        }
    }

    /// Whether a key in this state is where the action leaves it.
    fn is_done(self, state: Option<KeyState>) -> bool {
        match self {
            Self::Accept => state == Some(KeyState::Accepted),
            Self::Reject => state == Some(KeyState::Rejected),
            Self::Delete => state.is_none(),
        }
    }
}

/// How often a master is told to accept what it has put back among those that wait: its worker that is just
/// answering the minion may find the key's file between its old place and its new one, and takes it for a new key
/// (3008, `salt/cache/localfs_key.py`).
const TOLD: usize = 5;

/// Acts on exactly these keys, and looks whether the master did it.
pub async fn act(master: &mut dyn Master, action: Action, keys: &[&Key]) -> Result<()> {
    tell(master, action, keys).await?;
    let mut undone = left_undone(master, action, keys).await?;
    for _ in 1..TOLD {
        let is_back = |key: &Undone| key.now == Some(KeyState::Pending);
        if action != Action::Accept || undone.is_empty() || !undone.iter().all(is_back) {
            break;
        }
        let again: Vec<Key> = undone.iter().map(Undone::as_it_is).collect();
        tell(master, action, &again.iter().collect::<Vec<_>>()).await?;
        undone = left_undone(master, action, keys).await?;
    }
    if undone.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = undone.iter().map(Undone::shown).collect();
    let text = format!("the master did not {} {}", action.name(), names.join(", "));
    Err(Error::new(Kind::Failed, text)
        .hint("look at `master-bridge keys list` and the master's log"))
}

async fn tell(master: &mut dyn Master, action: Action, keys: &[&Key]) -> Result<()> {
    let mut dict = Map::new();
    for state in KeyState::ALL {
        let ids: Vec<String> = keys
            .iter()
            .filter(|k| k.state == state)
            .map(|k| k.id.clone())
            .collect();
        if !ids.is_empty() {
            dict.insert(state.folder().into(), ids.into());
        }
    }
    // Positional: include_rejected / include_accepted, include_denied. Keys were chosen with their state.
    let (fun, flags) = match action {
        Action::Accept => ("key.accept_dict", vec![true.into(), true.into()]),
        Action::Reject => ("key.reject_dict", vec![true.into(), true.into()]),
        Action::Delete => ("key.delete_dict", Vec::new()),
    };
    let mut args = vec![Value::Map(dict)];
    args.extend(flags);
    master.wheel(fun, args).await?;
    Ok(())
}

/// A key that is not where an action was to leave it.
struct Undone<'a> {
    key: &'a Key,
    now: Option<KeyState>,
}

impl Undone<'_> {
    fn as_it_is(&self) -> Key {
        let mut key = self.key.clone();
        key.state = self.now.unwrap_or(key.state);
        key
    }

    fn shown(&self) -> String {
        let now = self.now.map_or("gone", KeyState::name);
        format!("{} ({now})", self.key.id)
    }
}

/// "Success" of a wheel function says only that nothing was raised: these keys are not where they should be.
async fn left_undone<'a>(
    master: &mut dyn Master,
    action: Action,
    keys: &[&'a Key],
) -> Result<Vec<Undone<'a>>> {
    let mut all_now: BTreeMap<String, Vec<Key>> = BTreeMap::new();
    for key in all(master).await? {
        all_now.entry(key.id.clone()).or_default().push(key);
    }
    let mut undone = Vec::new();
    for key in keys.iter().copied() {
        let there = all_now.get(&key.id).map(Vec::as_slice).unwrap_or_default();
        // A deleted key of a living minion comes back as pending at once, by itself.
        let now = there
            .iter()
            .find(|k| k.fingerprint() == key.fingerprint())
            .map(|k| k.state)
            .filter(|s| action != Action::Delete || *s == key.state && *s != KeyState::Pending);
        if !action.is_done(now) {
            undone.push(Undone { key, now });
        }
    }
    Ok(undone)
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;
    use crate::fleet::fake::{Fake, key};

    #[tokio::test]
    async fn a_key_that_falls_back_is_accepted_again() {
        let mut master = Fake::default();
        master.hold("a", KeyState::Pending, &key());
        master.falls_back = 2;
        let waiting = master.keys[0].clone();
        act(&mut master, Action::Accept, &[&waiting]).await.unwrap();
        assert_eq!(master.held(), [("a", KeyState::Accepted)]);
        // Not for ever: a master that puts it back each time is told of.
        master.keys = vec![waiting.clone()];
        master.falls_back = TOLD;
        let error = act(&mut master, Action::Accept, &[&waiting]).await;
        let text = error.unwrap_err().message;
        assert_eq!(text, "the master did not accept a (pending)");
    }

    #[test]
    fn keys_are_sorted_and_broken_ones_are_kept() {
        let listed = map! {"minions" => vec!["b"], "minions_pre" => vec!["a"], "minions_denied" => vec!["b"], "local" => vec!["master.pem"]};
        let printed = map! {"minions" => map! {"b" => "no pem"}};
        let keys = collect(&listed.into(), &printed.into());
        let shown: Vec<_> = keys
            .iter()
            .map(|k| (k.id.as_str(), k.state.name()))
            .collect();
        assert_eq!(
            shown,
            [("a", "pending"), ("b", "accepted"), ("b", "denied")]
        );
        assert_eq!(keys[1].shown(), "no readable key");
    }
}
