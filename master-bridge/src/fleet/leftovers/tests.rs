use std::path::Path;

use salt_wire::map;

use super::super::fake::{Fake, PATIENCE, key};
use super::*;
use crate::journal::OpState;

fn steady() -> Value {
    map! {"state" => "steady"}.into()
}

/// Some with the same key on both masters, who answer the new one that they are at rest and name these masters.
fn pair(minions: &[(&'static str, Value)]) -> (Fake, Fake) {
    let (mut old, mut new) = (Fake::default(), Fake::default());
    for (id, masters) in minions {
        let key = key();
        for master in [&mut old, &mut new] {
            master.hold(id, KeyState::Accepted, &key);
        }
        new.answers.push((id, "remaster.status", steady()));
        new.answers.push((id, "config.get", masters.clone()));
    }
    (old, new)
}

fn gone(found: &Found) -> Vec<&str> {
    found.gone.iter().map(|k| k.id.as_str()).collect()
}

async fn look(old: &mut Fake, new: &mut Fake) -> Found {
    find(old, new, &[], PATIENCE).await.unwrap()
}

#[tokio::test]
async fn only_who_has_one_master_is_gone() {
    let (mut old, mut new) = pair(&[
        ("one", "new".into()),
        ("list", vec!["new"].into()),
        ("failover", vec!["new", "old"].into()),
        ("mute", Value::Null),
        ("here", "new".into()),
        ("moving", "new".into()),
    ]);
    old.answers.push(("here", "test.ping", true.into()));
    for answer in &mut new.answers {
        if answer.0 == "moving" && answer.1 == "remaster.status" {
            answer.2 = map! {"state" => "probation"}.into();
        }
    }
    let found = look(&mut old, &mut new).await;
    assert_eq!(gone(&found), ["list", "one"]);
    let left: Vec<_> = found.left.iter().map(String::as_str).collect();
    assert_eq!(left, ["failover", "here", "moving", "mute"]);
    assert_eq!(found.keep["failover"], "it has several masters: new, old");
    assert_eq!(found.keep.keys().collect::<Vec<_>>(), ["failover", "mute"]);
    let only = find(&mut old, &mut new, &["one".into()], PATIENCE).await;
    assert_eq!(gone(&only.unwrap()), ["one"]);
}

#[tokio::test]
async fn another_key_on_the_new_master_is_another_minion() {
    let (mut old, mut new) = pair(&[
        ("a", "new".into()),
        ("b", "new".into()),
        ("c", "new".into()),
    ]);
    new.hold("b", KeyState::Accepted, &key());
    // What neither can read is not the same.
    for master in [&mut old, &mut new] {
        master.keys.retain(|k| k.id != "c");
        let (id, state) = ("c".to_owned(), KeyState::Accepted);
        master.keys.push(Key {
            id,
            state,
            key: None,
        });
    }
    assert_eq!(gone(&look(&mut old, &mut new).await), ["a"]);
}

/// An operation that deletes the keys of these on the old master.
fn operation(old: &Fake, ids: &[&str]) -> Operation<CleanPlan> {
    let planned = |id: &&str| {
        let key = old.keys.iter().find(|k| k.id == **id).unwrap();
        OldKey {
            id: key.id.clone(),
            fingerprint: key.shown(),
            pem: key.key.as_ref().unwrap().wire_pem().to_owned(),
        }
    };
    Operation {
        id: "o1".into(),
        command: "remaster clean".into(),
        state: OpState::Running,
        note: String::new(),
        plan: CleanPlan {
            old: "old".into(),
            new: "new".into(),
            keys: ids.iter().map(planned).collect(),
            left: Vec::new(),
            window: None,
            watch: false,
        },
        old: crate::salt::Way::Local("/etc/salt".into()),
        new_config: None,
        operator: "root".into(),
        begun: 1,
        ended: None,
    }
}

fn journal(dir: &Path, op: &Operation<CleanPlan>) -> Journal {
    let mut journal = Journal::open(&dir.join("j")).unwrap();
    journal.begin(op).unwrap();
    journal
}

#[tokio::test]
async fn what_others_took_away_is_not_put_back() {
    let ids = ["a", "b", "c", "d"];
    let (mut old, mut new) = pair(&ids.map(|id| (id, "new".into())));
    let (op, dir) = (operation(&old, &ids), tempfile::tempdir().unwrap());
    let mut journal = journal(dir.path(), &op);
    // Between plan and deletion.
    old.keys.retain(|k| k.id != "a");
    let b = key();
    old.hold("b", KeyState::Accepted, &b);
    let found = look(&mut old, &mut new).await;
    let mut cleaning = Cleaning {
        old: &mut old,
        journal: &mut journal,
        op: &op,
    };
    let cleaned = cleaning.delete(&found.gone).await.unwrap();
    assert_eq!(cleaned.done, ["c", "d"]);
    assert_eq!(cleaned.absent, ["a"]);
    assert_eq!(cleaned.stay["b"], "another key is there by now");
    assert!(cleaned.rotates);

    // One needed its key: it has come for it, and waits. The other is not heard of.
    let c = PublicKey::from_pem(&op.plan.keys[2].pem).unwrap();
    cleaning
        .old
        .install_key(&Key {
            id: "c".into(),
            state: KeyState::Pending,
            key: Some(c),
        })
        .await
        .unwrap();
    let again = cleaning.delete(&[]).await.unwrap();
    assert_eq!((again.done, again.rotates), (vec!["d".to_owned()], false));
    assert!(again.stay["c"].contains("waits for it"), "{:?}", again.stay);
    let back = cleaning.put_back().await.unwrap();
    assert_eq!(back.done, ["c", "d"]);
    assert!(back.stay.is_empty(), "{:?}", back.stay);
    // What is back stays so: it is not put back a second time.
    let twice = cleaning.put_back().await.unwrap();
    assert_eq!(twice.done, ["c", "d"]);
    let accepted = ["b", "c", "d"].map(|id| (id, KeyState::Accepted));
    assert_eq!(old.held(), accepted);
    assert_eq!(old.keys[0].key, Some(b));
}

#[tokio::test]
async fn a_key_that_somebody_refused_or_replaced_is_not_put_back() {
    let ids = ["a", "b", "c"];
    let (mut old, mut new) = pair(&ids.map(|id| (id, "new".into())));
    let (op, dir) = (operation(&old, &ids), tempfile::tempdir().unwrap());
    let mut journal = journal(dir.path(), &op);
    let found = look(&mut old, &mut new).await;
    let mut cleaning = Cleaning {
        old: &mut old,
        journal: &mut journal,
        op: &op,
    };
    cleaning.delete(&found.gone).await.unwrap();
    let own = PublicKey::from_pem(&op.plan.keys[0].pem).unwrap();
    old.hold("a", KeyState::Rejected, &own);
    old.hold("b", KeyState::Pending, &key());
    let mut cleaning = Cleaning {
        old: &mut old,
        journal: &mut journal,
        op: &op,
    };
    let back = cleaning.put_back().await.unwrap();
    assert_eq!(back.done, ["c"]);
    assert_eq!(back.stay.keys().collect::<Vec<_>>(), ["a", "b"]);
    let states = [
        ("a", KeyState::Rejected),
        ("b", KeyState::Pending),
        ("c", KeyState::Accepted),
    ];
    assert_eq!(old.held(), states);
}

#[tokio::test]
async fn what_was_said_before_the_deletion_is_not_said_of_it() {
    let (mut old, mut new) = pair(&[("a", "new".into())]);
    let (op, dir) = (operation(&old, &["a"]), tempfile::tempdir().unwrap());
    let mut journal = journal(dir.path(), &op);
    let found = look(&mut old, &mut new).await;
    let (tag, data) = ("key".to_owned(), map! {"rotate_aes_key" => true});
    old.events.push_back(crate::salt::Event { tag, data });
    let mut cleaning = Cleaning {
        old: &mut old,
        journal: &mut journal,
        op: &op,
    };
    cleaning.delete(&found.gone).await.unwrap();
    assert!(old.events.is_empty());
}
