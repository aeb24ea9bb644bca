//! What is being done right now: one live tree on a terminal, plain lines without one. On standard error
//! only, so that standard output holds nothing but the result.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// Single minions are shown up to this many; more would push the rest off the screen.
const SHOWN: usize = 12;

/// A piece of work with a known number of parts.
pub struct Progress<'a> {
    output: &'a Output,
    start: Instant,
    total: usize,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    done: usize,
    live: Option<Live>,
}

struct Live {
    all: MultiProgress,
    top: ProgressBar,
    phase: ProgressBar,
    minions: BTreeMap<String, ProgressBar>,
}

impl<'a> Progress<'a> {
    /// Begins to show work on this many.
    pub fn new(output: &'a Output, what: &str, total: usize) -> Self {
        let live = output.is_live().then(|| Live::new(what, total));
        let state = State { done: 0, live };
        Self {
            output,
            start: Instant::now(),
            total,
            state: RefCell::new(state),
        }
    }

    /// A new phase, such as a wave.
    pub fn phase(&self, text: &str) {
        match &mut self.state.borrow_mut().live {
            Some(live) => {
                for (_, bar) in std::mem::take(&mut live.minions) {
                    bar.finish_and_clear();
                }
                live.phase.set_message(text.to_owned());
                live.phase.reset_elapsed();
            }
            None => self.output.say(text),
        }
    }

    /// What one of them is at.
    pub fn at(&self, id: &str, text: &str) {
        match &mut self.state.borrow_mut().live {
            Some(live) => live.minion(id, text),
            None => self.output.say(&format!("{id}: {text}")),
        }
    }

    /// One of them is finished.
    pub fn done(&self, id: &str, text: &str) {
        let mut state = self.state.borrow_mut();
        state.done += 1;
        let done = state.done;
        match &mut state.live {
            Some(live) => {
                live.top
                    .set_position(u64::try_from(done).unwrap_or(u64::MAX));
                if let Some(bar) = live.minions.remove(id) {
                    bar.finish_and_clear();
                }
                let line = format!("{id}: {text}");
                // A terminal that went away is no failure of the work.
                drop(live.all.println(line));
            }
            None => self.output.say(&format!("{id}: {text}")),
        }
    }

    /// Something that everyone should know.
    pub fn note(&self, text: &str) {
        match &self.state.borrow().live {
            Some(live) => drop(live.all.println(text)),
            None => self.output.say(text),
        }
    }

    /// How far all is, and how long the rest may take; shown by itself on a terminal.
    pub fn sum_up(&self) {
        let state = self.state.borrow();
        if state.live.is_none() {
            let elapsed = self.start.elapsed();
            let rest = eta(elapsed, state.done, self.total)
                .filter(|rest| !rest.is_zero())
                .map_or_else(String::new, |rest| format!(", about {} left", short(rest)));
            let done = state.done;
            self.output.say(&format!(
                "{done} of {} after {}{rest}",
                self.total,
                short(elapsed)
            ));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(live) = &self.state.borrow().live {
            drop(live.all.clear());
        }
    }
}

impl Live {
    fn new(what: &str, total: usize) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let top = all.add(ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX)));
        top.set_style(style(
            "{msg} [{bar:30}] {pos}/{len}  {elapsed_precise}  ETA {eta}",
        ));
        top.set_message(what.to_owned());
        let phase = all.add(ProgressBar::no_length());
        phase.set_style(style("├─ {msg}  {elapsed}"));
        for bar in [&top, &phase] {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Self {
            all,
            top,
            phase,
            minions: BTreeMap::new(),
        }
    }

    fn minion(&mut self, id: &str, text: &str) {
        if !self.minions.contains_key(id) && self.minions.len() >= SHOWN {
            return;
        }
        let bar = self.minions.entry(id.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::no_length());
            bar.set_style(style("│  └─ {prefix}: {msg}  {elapsed}"));
            bar.set_prefix(id.to_owned());
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        bar.set_message(text.to_owned());
    }
}

fn style(template: &str) -> ProgressStyle {
    // Only our own templates come here; a wrong one is seen at once.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// How long the rest takes, if it goes on as it went.
fn eta(elapsed: Duration, done: usize, total: usize) -> Option<Duration> {
    let left = total.saturating_sub(done);
    (done > 0).then(|| elapsed.mul_f64(left as f64 / done as f64))
}

/// A duration for people.
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=9 => format!("{:.1} s", duration.as_secs_f64()),
        10..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_was_done() {
        let second = Duration::from_secs(1);
        assert_eq!(eta(10 * second, 0, 5), None);
        assert_eq!(eta(10 * second, 2, 6), Some(20 * second));
        assert_eq!(eta(10 * second, 6, 6), Some(Duration::ZERO));
    }

    #[test]
    fn durations_read_well() {
        let shown = |seconds| short(Duration::from_secs_f64(seconds));
        assert_eq!(shown(1.25), "1.2 s");
        assert_eq!(shown(61.0), "61 s");
        assert_eq!(shown(300.0), "5 min");
        assert_eq!(shown(7300.0), "2 h 1 min");
    }

    #[test]
    fn live_templates_are_valid() {
        for template in [
            "{msg} [{bar:30}] {pos}/{len}  {elapsed_precise}  ETA {eta}",
            "├─ {msg}  {elapsed}",
            "│  └─ {prefix}: {msg}  {elapsed}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
