//! Trouble on demand: `OPERATION=EFFECT[@N]`.
//!
//! An operation is `SERVICE.VERB` for a service's main thing (`nova.create` makes a server) or
//! `SERVICE.THING.VERB` (`neutron.floatingip.update`); `*` stands for anything, as in `nova.*`. The verbs
//! are list, show, create, update, delete, and an action's own name (`nova.createImage`).
//!
//! | effect | what happens |
//! |---|---|
//! | `ERROR` | it is accepted, and ends in the state that the service has for failures |
//! | `STUCK` | it is accepted, and never goes on |
//! | `503` (any status) | refused with it, and nothing is done |
//! | `2s`, `300ms` | answered that much later |
//! | `lost` | done, and the connection is cut before the answer |
//! | `expire` | every token so far counts no more |
//!
//! `@2` is the second time alone, `@2+` from then on, `@2-4` these; without it every time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Accepted, and it ends in the failed state.
    Error,
    /// Accepted, and it never goes on.
    Stuck,
    /// Refused with this status.
    Status(u16),
    /// Answered later.
    Delay(Duration),
    /// Done, and not answered.
    Lost,
    /// All tokens become worthless first.
    Expire,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    text: String,
    operation: String,
    effect: Effect,
    from: u64,
    to: u64,
    passed: u64,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape =
            || format!("{text}: expected OPERATION=EFFECT[@N], such as nova.create=ERROR@2");
        let (operation, rest) = text.split_once('=').ok_or_else(shape)?;
        let (effect, times) = match rest.split_once('@') {
            Some((effect, times)) => (effect, Some(times)),
            None => (rest, None),
        };
        if !operation.contains('.') {
            return Err(shape());
        }
        let number = |text: &str| {
            text.parse::<u64>()
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(shape)
        };
        let (from, to) = match times {
            None => (1, u64::MAX),
            Some(times) => match (times.strip_suffix('+'), times.split_once('-')) {
                (Some(from), _) => (number(from)?, u64::MAX),
                (None, Some((from, to))) => (number(from)?, number(to)?),
                (None, None) => (number(times)?, number(times)?),
            },
        };
        Ok(Self {
            text: text.to_owned(),
            operation: operation.to_owned(),
            effect: effect_of(effect).ok_or_else(shape)?,
            from,
            to,
            passed: 0,
        })
    }
}

fn effect_of(text: &str) -> Option<Effect> {
    if let Ok(status) = text.parse::<u16>() {
        return (400..600)
            .contains(&status)
            .then_some(Effect::Status(status));
    }
    let time = |number: &str| number.parse::<u64>().ok();
    match text {
        "ERROR" => Some(Effect::Error),
        "STUCK" => Some(Effect::Stuck),
        "lost" => Some(Effect::Lost),
        "expire" => Some(Effect::Expire),
        _ => match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(ms), _) => Some(Effect::Delay(Duration::from_millis(time(ms)?))),
            (None, Some(s)) => Some(Effect::Delay(Duration::from_secs(time(s)?))),
            (None, None) => None,
        },
    }
}

/// All faults that were asked for.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// One more.
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// None any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Their texts, each with how often its operation came.
    pub(super) fn texts(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|f| format!("{} (passed {})", f.text, f.passed))
            .collect()
    }

    /// Counts one passage of an operation, and says what happens to it.
    pub(super) fn pass(&mut self, operation: &str) -> Vec<Effect> {
        let hit = self
            .0
            .iter_mut()
            .filter(|f| covers(&f.operation, operation));
        let mut effects = Vec::new();
        for fault in hit {
            fault.passed += 1;
            if (fault.from..=fault.to).contains(&fault.passed) {
                effects.push(fault.effect);
            }
        }
        effects
    }
}

/// Whether a fault's operation means this one, whose parts are always service, thing and verb.
fn covers(fault: &str, operation: &str) -> bool {
    let wanted: Vec<&str> = fault.split('.').collect();
    let [service, thing, verb] = operation.splitn(3, '.').collect::<Vec<_>>()[..] else {
        return false;
    };
    let is = |wanted: &str, found: &str| wanted == "*" || wanted == found;
    match wanted[..] {
        [s, "*"] => is(s, service),
        [s, v] => is(s, service) && thing == main_thing(service) && is(v, verb),
        [s, t, v] => is(s, service) && is(t, thing) && is(v, verb),
        _ => false,
    }
}

/// What a service is mainly about.
fn main_thing(service: &str) -> &'static str {
    match service {
        "keystone" => "token",
        "nova" => "server",
        "neutron" => "port",
        "glance" => "image",
        "cinder" => "volume",
        _ => "stack",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str]) -> Faults {
        let mut faults = Faults::default();
        for text in texts {
            faults.add(text.parse().unwrap());
        }
        faults
    }

    #[test]
    fn the_second_time_alone() {
        let mut faults = faults(&["nova.create=ERROR@2"]);
        let seen: Vec<_> = (0..3).map(|_| faults.pass("nova.server.create")).collect();
        assert_eq!(seen, [vec![], vec![Effect::Error], vec![]]);
        assert!(faults.pass("nova.keypair.create").is_empty());
    }

    #[test]
    fn ranges_and_stars() {
        let mut faults = faults(&["nova.*=503@2-3", "neutron.floatingip.update=lost@2+"]);
        let nova: Vec<_> = (0..4)
            .map(|_| faults.pass("nova.flavor.list").len())
            .collect();
        assert_eq!(nova, [0, 1, 1, 0]);
        let fip: Vec<_> = (0..3)
            .map(|_| faults.pass("neutron.floatingip.update").len())
            .collect();
        assert_eq!(fip, [0, 1, 1]);
        assert_eq!(faults.texts().len(), 2);
    }

    #[test]
    fn times_and_nonsense() {
        let delay = |text: &str| text.parse::<Fault>().unwrap().effect;
        assert_eq!(
            delay("glance.upload=2s"),
            Effect::Delay(Duration::from_secs(2))
        );
        assert_eq!(
            delay("a.b=30ms@1"),
            Effect::Delay(Duration::from_millis(30))
        );
        for text in [
            "",
            "nova.create",
            "create=ERROR",
            "nova.create=ERROR@0",
            "a.b=200",
            "a.b=xs",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
