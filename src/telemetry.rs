//! Logs: one subscriber, to standard error, as text or as JSON lines.
//!
//! Standard output is for what a command prints. Times are UTC. Nothing else in the program is global.

use std::io::{IsTerminal as _, stderr};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogFormat;

/// Why the logs could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not in the form of `tracing-subscriber`'s `EnvFilter`.
    #[error(
        "`{filter}` is not a log filter: {reason}; want a level (error, warn, info, debug, trace, off) or a list such \
         as `info,testyard=debug`"
    )]
    Filter {
        /// What was given, cut to 200 characters.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else in this process has taken the logs already.
    #[error("the logs have been started before: {0}")]
    Taken(String),
}

/// Starts the logs. An empty filter is `info`.
///
/// # Errors
/// [`TelemetryError::Filter`] if `filter` cannot be read, [`TelemetryError::Taken`] at the second call.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    subscriber(format, filter, colours, stderr)?.try_init().map_err(|error| TelemetryError::Taken(error.to_string()))
}

type Lines = Box<dyn Subscriber + Send + Sync>;

fn subscriber<W>(format: LogFormat, filter: &str, colours: bool, writer: W) -> Result<Lines, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let refused = |reason| TelemetryError::Filter { filter: filter.chars().take(200).collect(), reason };
    // To the parser a misspelt level is the name of a module, and it would silence all others.
    let is_bare = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if let Some(word) = filter.split(',').find(|word| is_bare(word) && word.parse::<LevelFilter>().is_err()) {
        return Err(refused(format!("`{word}` is not a level")));
    }
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(filter)
        .map_err(|error| refused(error.to_string()))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(writer);
    Ok(match format {
        LogFormat::Text => Box::new(lines.finish()),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_current_span(false).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = subscriber(format, filter, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(run = "run_1", "dispatched");
            tracing::debug!("detail");
        });
        let bytes = page.0.lock().unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    }

    #[test]
    fn text_and_json_lines() {
        let text = logged(LogFormat::Text, "info");
        assert!(text.contains(" INFO ") && text.contains("dispatched run=\"run_1\""), "{text}");
        let json: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, "info")).unwrap();
        assert_eq!(
            (&json["level"], &json["message"], &json["run"]),
            (&"INFO".into(), &"dispatched".into(), &"run_1".into())
        );
        assert!(json["timestamp"].as_str().unwrap().ends_with('Z'), "{json}");
    }

    #[test]
    fn the_filter_is_heeded_and_a_bad_one_refused() {
        assert_eq!(logged(LogFormat::Text, "").lines().count(), 1, "info is the default");
        assert_eq!(logged(LogFormat::Text, "debug").lines().count(), 2);
        assert_eq!(logged(LogFormat::Text, "off"), "");
        for wrong in ["loud", "info,inof", "testyard=loud", "a=b=c", "[", "info,,=debug="] {
            let Err(error) = subscriber(LogFormat::Text, wrong, false, std::io::sink) else { panic!("{wrong}") };
            assert!(error.to_string().starts_with(&format!("`{wrong}` is not a log filter: ")), "{error}");
        }
    }
}
