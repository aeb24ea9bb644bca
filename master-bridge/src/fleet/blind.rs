//! A wave without a view of the new master: what the old one hears is all there is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ends::{End, state};
use super::journey::Journey;
use super::look::ask_all;
use super::watch::came_back;
use crate::error::Result;
use crate::journal::StepState;
use crate::plan::bucket::Bucket;
use crate::plan::place::Place;
use crate::plan::{Action, Member};

/// Beyond the end of a probation a minion that goes back is heard of.
const RETURNED: Duration = Duration::from_secs(30);

impl Journey<'_> {
    /// One wave, seen from the old master alone: a minion's last word there is that it has gone, and that it
    /// does not come back says that somebody confirmed it.
    pub(super) async fn blind_wave(
        &mut self,
        at: usize,
        open: &[Member],
        ends: &mut BTreeMap<String, End>,
        bucket: &mut Bucket,
    ) -> Result<()> {
        let (order, to) = (self.op.order(at), self.op.plan.to.clone());
        let ids: Vec<&str> = open.iter().map(|m| m.id.as_str()).collect();
        let records = self.records(at)?;
        let answers = ask_all(self.old, &ids, "remaster.status", &[], self.patience).await?;
        let (mut go, mut under_way, mut gone) = (Vec::new(), Vec::new(), BTreeSet::new());
        for id in &ids {
            let begun = state(&records, id, Action::Move).is_some_and(|s| s != StepState::Planned);
            match Place::of(answers.good(id), None, &order) {
                Place::Silent if begun => drop(gone.insert((*id).to_owned())),
                Place::UnderWay => under_way.push((*id).to_owned()),
                Place::GaveUp { reason, detail } => self.fail(at, id, &reason, &detail, ends)?,
                Place::Busy => self.fail(at, id, "busy", "another move is under way", ends)?,
                Place::Silent => self.fail(at, id, "no-answer", "it does not answer", ends)?,
                Place::Old | Place::Arrived | Place::New => go.push((*id).to_owned()),
            }
        }
        gone.extend(self.cross(at, go, under_way, ends, bucket).await?);
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        if gone.is_empty() {
            return Ok(());
        }
        if to.confirm == 0 {
            for id in &gone {
                self.moved(at, id, ends)?;
            }
            return Ok(());
        }
        let list = gone.join(",");
        let say = format!(
            "on {} now, on probation for {} s; confirm there: salt -L '{list}' remaster.confirm",
            to.master, to.confirm
        );
        self.progress.note(&say);
        if !self.follow {
            for id in gone {
                let missing = format!("confirm it on {}: remaster.confirm", to.master);
                self.progress.done(id, "sent");
                ends.insert(id.to_owned(), End::Sent { missing });
            }
            return Ok(());
        }
        let limit = Duration::from_secs(to.confirm) + RETURNED;
        self.progress.note(&format!(
            "waiting {} to see whether they stay (--no-follow does not wait)",
            crate::progress::short(limit)
        ));
        let back = came_back(self.old, &gone, &order, self.patience, limit).await?;
        for id in gone {
            match back.get(id) {
                None => self.moved(at, id, ends)?,
                Some((reason, detail)) => self.fail(at, id, reason, detail, ends)?,
            }
        }
        Ok(())
    }
}
