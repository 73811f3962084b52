//! The log of a story: a warning or an error in it that the story did not expect fails the story.
//!
//! Stories run side by side in one process, each on a runtime of its own. Every thread of that runtime, and the one that
//! waits for its end, writes to the story's log and to no other. Programs write to a file, which is read when they end.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use platform::telemetry;
use serde_json::Value;
use tracing::{
    Dispatch, Event, Level, Subscriber,
    dispatcher::{DefaultGuard, set_default},
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, LevelFilter},
    fmt,
    layer::{Context, SubscriberExt},
};

/// Targets that only show that the machine was busy: statements and connections that took long.
const ABOUT_LOAD: [&str; 2] = ["sqlx::query", "sqlx::pool"];

thread_local! {
    static OF_THIS_THREAD: RefCell<Option<(StoryLog, DefaultGuard)>> = const { RefCell::new(None) };
}

/// Cloning is cheap.
#[derive(Clone)]
pub struct StoryLog {
    recorded: Arc<Mutex<Recorded>>,
    dispatch: Dispatch,
}

#[derive(Default)]
struct Recorded {
    /// Warnings and errors.
    lines: Vec<String>,
    /// How many bytes of the programs' files are in them already: programs of one name write to one file.
    read: HashMap<PathBuf, usize>,
    expected: Vec<Expected>,
}

struct Expected {
    /// Part of a line.
    text: String,
    /// The story fails without such a line.
    required: bool,
}

impl StoryLog {
    /// An empty one. With `RUST_LOG` everything that it chooses also goes to standard error.
    pub fn new() -> Self {
        let recorded = Arc::<Mutex<Recorded>>::default();
        let default_filter = EnvFilter::new(telemetry::DEFAULT_FILTER).and(LevelFilter::WARN);
        let recorder = Registry::default().with(Recorder(Arc::clone(&recorded)).with_filter(default_filter));
        let dispatch = match EnvFilter::try_from_default_env() {
            Ok(chosen) => Dispatch::new(recorder.with(fmt::layer().with_writer(std::io::stderr).with_filter(chosen))),
            Err(_) => Dispatch::new(recorder),
        };
        Self { recorded, dispatch }
    }

    /// From here on this thread writes to this log.
    pub fn attach_to_thread(&self) {
        Self::detach_from_thread(); // a guard that is dropped later would undo the new one
        let guard = set_default(&self.dispatch);
        OF_THIS_THREAD.set(Some((self.clone(), guard)));
    }

    pub fn detach_from_thread() {
        drop(OF_THIS_THREAD.take());
    }

    /// The log of the story that this thread belongs to.
    ///
    /// # Panics
    /// On a thread of no story.
    pub fn of_this_thread() -> Self {
        OF_THIS_THREAD.with_borrow(|log| log.as_ref().expect("a thread of a story").0.clone())
    }

    /// A warning or an error that contains `text` has to come, as often as it likes.
    pub fn expects(&self, text: &str) {
        self.recorded.lock().unwrap().expected.push(Expected { text: text.to_owned(), required: true });
    }

    /// The same, where it depends on the moment whether it comes.
    pub fn allows(&self, text: &str) {
        self.recorded.lock().unwrap().expected.push(Expected { text: text.to_owned(), required: false });
    }

    /// Adds what a program has written since this was called last: JSON, a line each, unless it panicked.
    pub fn read_program_log(&self, file: &Path) {
        let mut recorded = self.recorded.lock().unwrap();
        match std::fs::read(file) {
            Ok(written) => {
                let known = recorded.read.insert(file.to_owned(), written.len()).unwrap_or_default();
                let new = String::from_utf8_lossy(&written[known..]);
                recorded.lines.extend(new.lines().filter_map(program_warning));
            }
            Err(error) => recorded.lines.push(format!("ERROR {} cannot be read: {error}", file.display())),
        }
    }

    /// # Panics
    /// When it has a line that was not expected, or lacks one that was.
    pub fn assert_expected(&self) {
        let recorded = self.recorded.lock().unwrap();
        let is_expected = |line: &&String| recorded.expected.iter().any(|expected| line.contains(&expected.text));
        let mut unexpected: Vec<&String> = recorded.lines.iter().filter(|line| !is_expected(line)).collect();
        unexpected.dedup();
        assert!(unexpected.is_empty(), "the log has what the story does not expect: {unexpected:#?}");
        let is_missing = |expected: &&Expected| {
            expected.required && !recorded.lines.iter().any(|line| line.contains(&expected.text))
        };
        let missing: Vec<&String> =
            recorded.expected.iter().filter(is_missing).map(|expected| &expected.text).collect();
        assert!(missing.is_empty(), "the log lacks what the story expects: {missing:#?}\nit has {:#?}", recorded.lines);
    }
}

fn program_warning(line: &str) -> Option<String> {
    let Ok(event) = serde_json::from_str::<Value>(line) else {
        return line.contains("panicked at").then(|| line.to_owned());
    };
    let about_load = event["target"].as_str().is_some_and(is_about_load);
    (["WARN", "ERROR"].contains(&event["level"].as_str()?) && !about_load).then(|| line.to_owned())
}

fn is_about_load(target: &str) -> bool {
    ABOUT_LOAD.iter().any(|busy| target.starts_with(busy))
}

struct Recorder(Arc<Mutex<Recorded>>);

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        if *about.level() > Level::WARN || is_about_load(about.target()) {
            return;
        }
        let mut line = Line(format!("{} {}:", about.level(), about.target()));
        event.record(&mut line);
        self.0.lock().unwrap().lines.push(line.0);
    }
}

/// An event as one line: `WARN platform::jobs::worker: job failed, will be retried why=… failures=1`.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::StoryLog;
    use crate::support::run;

    /// Warns from a task, as a shop does.
    async fn warns(of: &'static str) {
        let warns = tokio::spawn(async move { tracing::warn!(of, "something is odd") });
        warns.await.expect("the task ends");
    }

    fn fails(story: impl Future<Output = ()>) -> String {
        let message = catch_unwind(AssertUnwindSafe(|| run(story))).expect_err("the story fails");
        message.downcast_ref::<String>().expect("a panic with words").clone()
    }

    #[test]
    fn a_story_fails_over_a_warning_that_it_does_not_expect() {
        let message = fails(warns("the roof"));
        assert!(message.contains("something is odd") && message.contains("the roof"), "{message}");
        run(async {
            StoryLog::of_this_thread().expects("the roof");
            warns("the roof").await;
        });
        let message = fails(async {
            StoryLog::of_this_thread().expects("the roof");
            warns("the cellar").await;
        });
        assert!(message.contains("the cellar"), "{message}");
    }

    #[test]
    fn a_story_fails_without_a_warning_that_it_expects() {
        let message = fails(async { StoryLog::of_this_thread().expects("the roof") });
        assert!(message.contains("lacks") && message.contains("the roof"), "{message}");
        run(async { StoryLog::of_this_thread().allows("the roof") });
    }

    #[test]
    fn a_warning_of_another_story_does_not_count() {
        std::thread::scope(|threads| {
            let noisy = threads.spawn(|| {
                run(async {
                    StoryLog::of_this_thread().expects("the roof");
                    for _ in 0..1000 {
                        warns("the roof").await;
                    }
                });
            });
            while !noisy.is_finished() {
                run(async { tokio::spawn(tokio::task::yield_now()).await.expect("the task ends") });
            }
            noisy.join().expect("it expected what came");
        });
    }

    #[test]
    fn warnings_of_programs_are_read() {
        for (line, counts) in [
            (r#"{"level":"WARN","message":"odd","target":"platform::db"}"#, true),
            (r#"{"level":"ERROR","message":"worse","target":"platform::db"}"#, true),
            (r#"{"level":"INFO","message":"fine","target":"platform::db"}"#, false),
            (r#"{"level":"WARN","message":"slow statement","target":"sqlx::query"}"#, false),
            ("thread 'main' panicked at src/main.rs:1:1:", true),
            ("the rest of a line", false),
        ] {
            assert_eq!(super::program_warning(line).is_some(), counts, "{line}");
        }
    }
}
