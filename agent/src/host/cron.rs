//! Crontabs as Salt keeps them: what stands above its mark is left alone, what is below is read, changed and
//! written anew.

use super::account;
use super::perms::uid_of;
use super::program::Programs;

const MARK: &str = "# Lines below here are managed by Salt, do not edit";
const ID: &str = "SALT_CRON_IDENTIFIER";
const NO_ID: &str = "NO ID SET";
const DISABLED: &str = "#DISABLED#";

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Minute, hour, day of the month, month, day of the week.
    Times([String; 5]),
    /// `@daily` and the like.
    Special(String),
}

/// One job of a crontab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it runs.
    pub when: When,
    /// What runs.
    pub cmd: String,
    /// The name under which it is found again.
    pub identifier: Option<String>,
    /// The comment above it.
    pub comment: Option<String>,
    /// Whether it is there but switched off.
    pub commented: bool,
}

impl Entry {
    /// Whether a command and an identifier mean this job.
    pub fn is(&self, cmd: &str, identifier: Option<&str>) -> bool {
        let wanted = identifier.filter(|i| !i.is_empty()).unwrap_or(NO_ID);
        match self.own_id() {
            NO_ID => self.cmd == cmd,
            own => own == wanted,
        }
    }

    fn own_id(&self) -> &str {
        self.identifier
            .as_deref()
            .filter(|i| !i.is_empty())
            .unwrap_or(NO_ID)
    }
}

/// What a job should be. A comment that is not given stays as it is; `random` fits any time but `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// When.
    pub when: When,
    /// What.
    pub cmd: String,
    /// Name under which it is found again.
    pub identifier: Option<String>,
    /// Comment.
    pub comment: Option<String>,
    /// Switched off.
    pub commented: bool,
}

fn time_differs(old: &str, new: &str) -> bool {
    old != new && (new != "random" || old == "*")
}

impl Wanted {
    /// Whether a job that is there has to be changed.
    pub fn differs(&self, now: &Entry) -> bool {
        let when = match (&now.when, &self.when) {
            (When::Times(old), When::Times(new)) => {
                old.iter().zip(new).any(|(o, n)| time_differs(o, n))
            }
            (old, new) => old != new,
        };
        when || self.comment.is_some() && self.comment != now.comment
            || self.commented != now.commented
            || self.cmd != now.cmd
    }
}

/// How a job stands to what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not there.
    Absent,
    /// There, and different.
    Update,
    /// There, and the same.
    Present,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Nothing to do: there already, or gone already.
    Same,
    /// Put there.
    New,
    /// Changed.
    Updated,
    /// Taken away.
    Removed,
    /// `crontab` refused it, with these words.
    Refused(String),
}

/// A crontab taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tab {
    /// Lines above the mark.
    pub pre: Vec<String>,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Jobs at times.
    pub crons: Vec<Entry>,
    /// Jobs at `@…`.
    pub special: Vec<Entry>,
}

impl Tab {
    /// Takes a crontab apart.
    pub fn parse(text: &str) -> Self {
        let mut tab = Self::default();
        let mut managed = false;
        let (mut comment, mut identifier): (Option<String>, Option<String>) = (None, None);
        for line in text.lines() {
            if line == MARK {
                managed = true;
                continue;
            }
            if !managed {
                tab.pre.push(line.to_owned());
                continue;
            }
            let (line, commented) = match line.strip_prefix(DISABLED) {
                Some(rest) => (rest, true),
                None => (line, false),
            };
            let mut entry = |when, cmd: String| Entry {
                when,
                cmd,
                identifier: identifier.take(),
                comment: comment.take(),
                commented,
            };
            if line.starts_with('@') {
                let words: Vec<_> = line.split_whitespace().collect();
                if let [spec, cmd @ ..] = words.as_slice()
                    && !cmd.is_empty()
                {
                    let entry = entry(When::Special((*spec).to_owned()), cmd.join(" "));
                    tab.special.push(entry);
                }
            } else if line.starts_with('#') {
                let mut text = line.trim_start_matches(['#', ' ']);
                if let Some((before, after)) = text.split_once(ID) {
                    text = before.trim_end();
                    let mut name = after.chars();
                    name.next();
                    if !name.as_str().is_empty() {
                        // Only up to a second mark of the kind.
                        let name = name.as_str().split(ID).next().unwrap_or_default();
                        identifier = Some(name.to_owned());
                    }
                }
                comment = Some(match comment {
                    None => text.to_owned(),
                    Some(above) => format!("{above}\n{text}"),
                });
            } else if let Some((name, value)) = line
                .split_once('=')
                .filter(|(n, _)| !n.is_empty() && !n.contains(' '))
            {
                tab.env.push((name.to_owned(), value.to_owned()));
            } else {
                let words: Vec<_> = line.splitn(6, ' ').map(str::to_owned).collect();
                if let Ok([minute, hour, day, month, weekday, cmd]) = <[String; 6]>::try_from(words)
                {
                    let entry = entry(When::Times([minute, hour, day, month, weekday]), cmd);
                    tab.crons.push(entry);
                }
            }
        }
        tab
    }

    /// The text of the crontab.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for line in &self.pre {
            text += line;
            text.push('\n');
        }
        text += MARK;
        text.push('\n');
        for (name, value) in &self.env {
            let value = if value.is_empty() { "\"\"" } else { value };
            text += &format!("{name}={value}\n");
        }
        for entry in self.crons.iter().chain(&self.special) {
            if entry.comment.is_some() || entry.identifier.is_some() {
                text.push('#');
                if let Some(comment) = entry.comment.as_deref().filter(|c| !c.is_empty()) {
                    let comment = match entry.when {
                        When::Times(_) => comment,
                        When::Special(_) => comment.trim_end(),
                    };
                    text += &format!(" {}", comment.replace('\n', "\n# "));
                }
                if let Some(id) = entry.identifier.as_deref().filter(|i| !i.is_empty()) {
                    text += &format!(" {ID}:{id}");
                }
                text.push('\n');
            }
            if entry.commented {
                text += DISABLED;
            }
            let when = match &entry.when {
                When::Times(times) => times.join(" "),
                When::Special(spec) => spec.clone(),
            };
            text += &format!("{when} {}\n", entry.cmd);
        }
        text
    }

    fn all(&self) -> impl Iterator<Item = &Entry> {
        self.crons.iter().chain(&self.special)
    }

    /// How a job stands, looked for among those of its kind, as the state's check does.
    pub fn standing(&self, wanted: &Wanted) -> Standing {
        let list = match wanted.when {
            When::Times(_) => &self.crons,
            When::Special(_) => &self.special,
        };
        match list
            .iter()
            .find(|e| e.is(&wanted.cmd, wanted.identifier.as_deref()))
        {
            None => Standing::Absent,
            Some(entry) => {
                let renamed = wanted.identifier.is_some() && wanted.identifier != entry.identifier;
                if renamed || wanted.differs(entry) {
                    Standing::Update
                } else {
                    Standing::Present
                }
            }
        }
    }

    /// Puts a job there. `roll` makes a number between two bounds for a `random` time.
    fn put(&mut self, wanted: &Wanted, roll: &mut dyn FnMut(u32, u32) -> u32) -> Done {
        let id = wanted.identifier.as_deref();
        let Some(now) = self.all().find(|e| e.is(&wanted.cmd, id)).cloned() else {
            self.add(wanted.clone(), roll);
            return Done::New;
        };
        let same_id = wanted.identifier.as_deref() == Some(now.own_id());
        if same_id && !wanted.differs(&now) {
            return Done::Same;
        }
        let list = match now.when {
            When::Times(_) => &mut self.crons,
            When::Special(_) => &mut self.special,
        };
        if let Some(at) = list.iter().position(|e| *e == now) {
            list.remove(at);
        }
        let mut next = wanted.clone();
        if let (When::Times(old), When::Times(new)) = (&now.when, &mut next.when) {
            for (old, new) in old.iter().zip(new.iter_mut()) {
                if !time_differs(old, new) {
                    new.clone_from(old);
                }
            }
        }
        next.comment = next.comment.or(now.comment);
        next.identifier = next.identifier.or(now.identifier);
        self.add(next, roll);
        Done::Updated
    }

    fn add(&mut self, wanted: Wanted, roll: &mut dyn FnMut(u32, u32) -> u32) {
        let when = match wanted.when {
            When::Times(times) => When::Times(settle(times, roll)),
            special @ When::Special(_) => special,
        };
        let list = match when {
            When::Times(_) => &mut self.crons,
            When::Special(_) => &mut self.special,
        };
        list.push(Entry {
            when,
            cmd: wanted.cmd,
            identifier: wanted.identifier,
            comment: wanted.comment,
            commented: wanted.commented,
        });
    }
}

/// Chooses the times that are left to chance: `random`, or `low:high`.
fn settle(times: [String; 5], roll: &mut dyn FnMut(u32, u32) -> u32) -> [String; 5] {
    let [minute, hour, day, month, weekday] = times;
    let mut choose = |text: String, low: u32, high: u32| -> String {
        if text == "random" {
            return roll(low, high).to_string();
        }
        match text.split_once(':').map(|(a, b)| (a.parse(), b.parse())) {
            Some((Ok(a), Ok(b))) => roll(std::cmp::min(a, b), std::cmp::max(a, b)).to_string(),
            _ => text,
        }
    };
    let minute = choose(minute, 0, 59);
    let hour = choose(hour, 0, 23);
    let month = choose(month, 1, 12);
    let weekday = choose(weekday, 0, 6);
    let last = match month.as_str() {
        "1" | "3" | "5" | "7" | "8" | "10" | "12" => 31,
        "4" | "6" | "9" | "11" => 30,
        _ => 28,
    };
    let day = if day == "random" {
        roll(1, last).to_string()
    } else {
        day
    };
    [minute, hour, day, month, weekday]
}

/// A number of the system's own chance.
fn chance(low: u32, high: u32) -> u32 {
    let span = u64::from(high.saturating_sub(low)) + 1;
    let number = getrandom::u64().unwrap_or_default() % span;
    low + u32::try_from(number).unwrap_or_default()
}

/// The crontab of one account.
pub struct Crontab<'a> {
    programs: Programs<'a>,
    user: &'a str,
}

type Result<T> = std::result::Result<T, String>;

impl<'a> Crontab<'a> {
    /// The crontab of this account.
    pub fn new(programs: Programs<'a>, user: &'a str) -> Self {
        Self { programs, user }
    }

    /// `crontab` with these words, for this account.
    fn words<'b>(&'b self, last: &'b str) -> Vec<&'b str> {
        if self.user == account::current_name()
            || uid_of(self.user) == uid_of(&account::current_name())
        {
            vec!["crontab", last]
        } else {
            vec!["crontab", "-u", self.user, last]
        }
    }

    /// Its text; empty when there is none.
    pub fn raw(&self) -> Result<String> {
        let said = self.programs.run(&self.words("-l"))?;
        let text = if said.stdout.is_empty() {
            String::new()
        } else {
            said.stdout + "\n"
        };
        // Some systems put three lines of their own in front.
        if text.starts_with("# DO NOT EDIT THIS FILE - edit the master and reinstall.") {
            return Ok(text.splitn(4, '\n').nth(3).unwrap_or_default().to_owned());
        }
        Ok(text)
    }

    /// It taken apart.
    pub fn read(&self) -> Result<Tab> {
        Ok(Tab::parse(&self.raw()?))
    }

    /// Puts a text in its place; the words of a refusal.
    pub fn write(&self, text: &str) -> Result<std::result::Result<(), String>> {
        let said = self.programs.feed(&self.words("-"), text.as_bytes())?;
        Ok(if said.fine() {
            Ok(())
        } else {
            Err(said.stderr)
        })
    }

    fn commit(&self, tab: &Tab, done: Done) -> Result<Done> {
        Ok(match self.write(&tab.render())? {
            Ok(()) => done,
            Err(words) => Done::Refused(words),
        })
    }

    /// Puts a job there or changes it.
    pub fn put(&self, wanted: &Wanted) -> Result<Done> {
        let mut tab = self.read()?;
        match tab.put(wanted, &mut chance) {
            Done::Same => Ok(Done::Same),
            done => self.commit(&tab, done),
        }
    }

    /// Takes a job away. `fits` narrows the choice.
    pub fn remove(
        &self,
        special: bool,
        cmd: &str,
        identifier: Option<&str>,
        fits: impl Fn(&Entry) -> bool,
    ) -> Result<Done> {
        let mut tab = self.read()?;
        let list = if special {
            &mut tab.special
        } else {
            &mut tab.crons
        };
        match list.iter().position(|e| e.is(cmd, identifier) && fits(e)) {
            None => Ok(Done::Same),
            Some(at) => {
                list.remove(at);
                self.commit(&tab, Done::Removed)
            }
        }
    }

    /// How a variable stands.
    pub fn variable(&self, name: &str, value: Option<&str>) -> Result<Standing> {
        let tab = self.read()?;
        Ok(match tab.env.iter().find(|(n, _)| n == name) {
            None => Standing::Absent,
            Some((_, now)) if now == value.unwrap_or_default() => Standing::Present,
            Some(_) => Standing::Update,
        })
    }

    /// Sets a variable.
    pub fn set_variable(&self, name: &str, value: Option<&str>) -> Result<Done> {
        let mut tab = self.read()?;
        let old = tab.env.iter().position(|(n, _)| n == name);
        if let (Some(at), Some(value)) = (old, value)
            && tab.env[at].1 == value
        {
            return Ok(Done::Same);
        }
        tab.env.retain(|(n, _)| n != name);
        let value = value.unwrap_or_default().to_owned();
        tab.env.push((name.to_owned(), value));
        let done = if old.is_some() {
            Done::Updated
        } else {
            Done::New
        };
        self.commit(&tab, done)
    }

    /// Takes a variable away.
    pub fn remove_variable(&self, name: &str) -> Result<Done> {
        let mut tab = self.read()?;
        // The last of several of one name, as Salt does.
        match tab.env.iter().rposition(|(n, _)| n == name) {
            None => Ok(Done::Same),
            Some(at) => {
                tab.env.remove(at);
                self.commit(&tab, Done::Removed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(cmd: &str, minute: &str, identifier: Option<&str>) -> Wanted {
        let star = || "*".to_owned();
        Wanted {
            when: When::Times([minute.to_owned(), star(), star(), star(), star()]),
            cmd: cmd.to_owned(),
            identifier: identifier.map(str::to_owned),
            comment: None,
            commented: false,
        }
    }

    const TEXT: &str = "MAILTO=x\n# mine\n1 2 3 4 5 /own\n# Lines below here are managed by Salt, do not edit\nA=b\nEMPTY=\"\"\n# why\n# more SALT_CRON_IDENTIFIER:one\n*/5 * * * * do it now\n#DISABLED#7 * * * * off\n# SALT_CRON_IDENTIFIER:boot\n@reboot start\n";

    #[test]
    fn a_crontab_comes_back_as_it_was() {
        let tab = Tab::parse(TEXT);
        assert_eq!(tab.pre.len(), 3);
        assert_eq!(tab.crons[0].comment.as_deref(), Some("why\nmore"));
        assert_eq!(tab.crons[0].identifier.as_deref(), Some("one"));
        assert!(tab.crons[1].commented);
        assert_eq!(tab.special[0].identifier.as_deref(), Some("boot"));
        assert_eq!(tab.render(), TEXT);
    }

    #[test]
    fn jobs_are_found_by_their_identifier_and_changed_in_place() {
        let mut tab = Tab::parse(TEXT);
        let mut no_chance = |_, _| panic!("nothing is random");
        assert_eq!(
            tab.put(&wanted("do it now", "*/5", Some("one")), &mut no_chance),
            Done::Same
        );
        assert_eq!(
            tab.put(&wanted("do it later", "*/5", Some("one")), &mut no_chance),
            Done::Updated
        );
        assert_eq!(
            tab.crons.last().unwrap().comment.as_deref(),
            Some("why\nmore")
        );
        assert_eq!(
            tab.standing(&wanted("do it later", "6", Some("one"))),
            Standing::Update
        );
        assert_eq!(
            tab.standing(&wanted("other", "6", Some("two"))),
            Standing::Absent
        );
        assert_eq!(
            tab.put(&wanted("other", "6", Some("two")), &mut no_chance),
            Done::New
        );
        // One without an identifier is found by its command, and gets it.
        assert_eq!(
            tab.put(&wanted("off", "7", Some("off")), &mut no_chance),
            Done::Updated
        );
        assert_eq!(tab.crons.last().unwrap().identifier.as_deref(), Some("off"));
    }

    #[test]
    fn chance_is_taken_once() {
        let mut tab = Tab::default();
        assert_eq!(
            tab.put(&wanted("x", "random", None), &mut |low, high| low + high),
            Done::New
        );
        assert_eq!(tab.crons[0].when, wanted("x", "59", None).when);
        let again = wanted("x", "random", Some("id"));
        assert!(!again.differs(&tab.crons[0]));
        assert_eq!(
            settle(
                [
                    "3:7".into(),
                    "*".into(),
                    "random".into(),
                    "2".into(),
                    "*".into()
                ],
                &mut |_, high| high
            )[..3],
            ["7", "*", "28"]
        );
    }
}
