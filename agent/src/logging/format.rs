//! An event as a line: message, fields, and the fields of the spans around it.

use std::fmt;

use jiff::Zoned;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::template::Template;

/// Makes lines.
pub(super) struct Lines {
    template: Template,
    dates: String,
    id: String,
}

impl Lines {
    pub(super) fn new(template: Template, dates: &str, id: &str) -> Self {
        Self {
            template,
            dates: dates.to_owned(),
            id: id.to_owned(),
        }
    }
}

/// Salt's word and its colour.
fn level(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::ERROR => ("ERROR", "31"),
        Level::WARN => ("WARNING", "33"),
        Level::INFO => ("INFO", "32"),
        Level::DEBUG => ("DEBUG", "36"),
        Level::TRACE => ("TRACE", "35"),
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let mut message = said.message;
        message.push_str(&said.fields);
        let mut jid = said.jid;
        for span in ctx.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<N>>()
                && !fields.is_empty()
            {
                message.push(' ');
                message.push_str(&fields.fields);
                jid = jid.or_else(|| jid_in(&fields.fields));
            }
        }
        // One event is one line: what came from outside must not forge another.
        let message = message.replace('\n', "\n  ");
        let now = Zoned::now();
        let (word, colour) = level(*event.metadata().level());
        let ansi = writer.has_ansi_escapes();
        let line = self.template.fill(&|name| {
            Some(match name {
                "levelname" => word.to_owned(),
                "bracketlevel" => format!("[{word:<8}]"),
                "colorlevel" if ansi => format!("\u{1b}[{colour}m[{word:<8}]\u{1b}[0m"),
                "colorlevel" => format!("[{word:<8}]"),
                "message" | "colormsg" => message.clone(),
                "asctime" => now.strftime(&self.dates).to_string(),
                "msecs" => (now.subsec_nanosecond() / 1_000_000).to_string(),
                "name" | "module" => event.metadata().target().to_owned(),
                "bracketname" | "colorname" => format!("[{:<17}]", event.metadata().target()),
                "lineno" => event.metadata().line()?.to_string(),
                "pathname" | "filename" => event.metadata().file()?.to_owned(),
                "process" => std::process::id().to_string(),
                "bracketprocess" | "colorprocess" => format!("[{:>5}]", std::process::id()),
                "threadName" => std::thread::current().name()?.to_owned(),
                "jid" => format!("[JID: {}]", jid.as_ref()?),
                "minion_id" => format!("[{}]", self.id),
                _ => return None,
            })
        });
        writeln!(writer, "{line}")
    }
}

fn jid_in(fields: &str) -> Option<String> {
    let (_, rest) = fields.split_once("jid=")?;
    rest.split_whitespace().next().map(str::to_owned)
}

#[derive(Default)]
struct Said {
    message: String,
    fields: String,
    jid: Option<String>,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut words = value.to_string();
        let mut cause = value.source();
        while let Some(inner) = cause {
            words.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        self.record_debug(field, &format_args!("{words}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => {
                let value = format!("{value:?}");
                self.fields.push_str(&format!(" {name}={value}"));
                if name == "jid" {
                    self.jid = Some(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Memory {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(template: &str, act: impl FnOnce()) -> String {
        let memory = Memory::default();
        let lines = Lines::new(Template::parse(template), "%H", "m1");
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(lines)
            .with_writer(memory.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_has_message_fields_and_spans() {
        let line = logged("[%(levelname)-8s] %(message)s %(jid)s%(minion_id)s", || {
            let span = tracing::info_span!("job", jid = "2026");
            let _inside = span.enter();
            tracing::warn!(fun = "test.ping", "Job finished.");
        });
        assert_eq!(
            line,
            "[WARNING ] Job finished. fun=test.ping jid=\"2026\" [JID: \"2026\"][m1]\n"
        );
    }

    #[test]
    fn a_line_break_from_outside_forges_no_line() {
        let line = logged("%(message)s", || {
            tracing::info!(text = "a\n[ERROR] b", "Said.");
        });
        assert_eq!(line, "Said. text=a\n  [ERROR] b\n");
    }
}
