//! The state between the lines of a TAP stream: which subtests are open, which numbers were seen, whose diagnostics these
//! are.
//!
//! A frame is the stream of one level, indented by four blanks for each level above it. A frame closes when its parent's
//! test line comes, which decides about it; a frame that never gets that line was cut off, and becomes an ERROR case.

use std::collections::BTreeSet;

use super::line::{Line, TestLine, clip, parse};
use super::{Case, Directive, MAX_BYTES, MAX_CASES, MAX_DEPTH, MAX_EXCERPT, MAX_PROBLEMS, Plan, Report};
use crate::domain::status::Status;

const INDENT: usize = 4;

pub(super) fn read(text: &str) -> Report {
    let mut reader = Reader { frames: vec![Frame::default()], ..Reader::default() };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = reader.within_bounds(text);
    for line in text.lines() {
        reader.line(line);
        if reader.report.bailed.is_some() {
            break;
        }
    }
    reader.finish()
}

#[derive(Debug, Default)]
struct Reader {
    report: Report,
    frames: Vec<Frame>,
    /// How many cases were kept so far.
    kept: usize,
    strict: bool,
    /// The level of the test line that the line before was: only there may a YAML block begin.
    after_test: Option<usize>,
    yaml: Option<Yaml>,
}

#[derive(Debug, Default)]
struct Frame {
    /// The name from its `# Subtest:`.
    name: Option<String>,
    /// The name that a `# Subtest:` on this level gave to the subtest which is about to begin.
    announced: Option<String>,
    plan: Option<Plan>,
    plan_came_last: bool,
    cases: Vec<Case>,
    seen: BTreeSet<u64>,
    last: u64,
}

/// An open block of diagnostics.
#[derive(Debug)]
struct Yaml {
    level: usize,
    text: String,
}

impl Reader {
    fn problem(&mut self, problem: impl FnOnce() -> String) {
        if self.report.problems.len() < MAX_PROBLEMS {
            self.report.problems.push(problem());
        }
    }

    fn within_bounds<'t>(&mut self, text: &'t str) -> &'t str {
        if text.len() <= MAX_BYTES {
            return text;
        }
        self.problem(|| format!("the stream is longer than {MAX_BYTES} bytes: what follows is left out"));
        let end = (0..=MAX_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let head = text.get(..end).unwrap_or_default();
        head.rfind('\n').and_then(|at| head.get(..at)).unwrap_or_default()
    }

    fn line(&mut self, raw: &str) {
        let raw = raw.trim_end();
        let content = raw.trim_start_matches(' ');
        let indent = raw.len() - content.len();
        if self.in_yaml(raw, content, indent) {
            return;
        }
        let level = indent / INDENT;
        if let Some(at) = self.after_test
            && indent == at * INDENT + 2
            && (content == "---" || content.starts_with("--- "))
        {
            self.after_test = None;
            self.yaml = Some(Yaml { level: at, text: String::new() });
            return;
        }
        self.after_test = None;
        let line = if indent.is_multiple_of(INDENT) { parse(content) } else { Line::Other };
        if level > 0 && !content.is_empty() && !self.reach(level, &line) {
            self.foreign(content);
            return;
        }
        self.at_level(level, line, content);
    }

    /// Takes the line if it belongs to an open block of diagnostics.
    fn in_yaml(&mut self, raw: &str, content: &str, indent: usize) -> bool {
        let Some(yaml) = &mut self.yaml else { return false };
        let own = yaml.level * INDENT + 2;
        if content == "..." && indent == own {
            self.end_yaml();
            return true;
        }
        if content.is_empty() || indent >= own {
            yaml.text.push_str(raw.get(own..).unwrap_or_default());
            yaml.text.push('\n');
            return true;
        }
        self.problem(|| "a block of diagnostics has no end (`...`)".to_owned());
        self.end_yaml();
        false
    }

    fn end_yaml(&mut self) {
        let Some(Yaml { level, text }) = self.yaml.take() else { return };
        let Some(case) = self.frames.get_mut(level).and_then(|frame| frame.cases.last_mut()) else { return };
        let text = text.trim_end_matches('\n');
        if case.reason.is_none() && case.directive.is_none() {
            case.reason = text.lines().find_map(message);
        }
        let skip = text.chars().count().saturating_sub(MAX_EXCERPT);
        let excerpt: String = text.chars().skip(skip).collect();
        case.log_excerpt = (!excerpt.is_empty()).then_some(excerpt);
    }

    /// Makes the frames fit a line of this level: opens the one that it begins, ends those below it that no parent can
    /// claim any more. False: no stream of that level can begin here.
    fn reach(&mut self, level: usize, line: &Line) -> bool {
        let depth = self.frames.len() - 1;
        if level <= depth {
            return true;
        }
        if level > depth + 1 || level > MAX_DEPTH {
            if level > MAX_DEPTH {
                self.problem(|| format!("subtests lie deeper than {MAX_DEPTH} levels: those are left out"));
            }
            return false;
        }
        let speaks =
            matches!(line, Line::Test(_) | Line::Plan { .. } | Line::Subtest(_) | Line::Bail(_) | Line::Version(_));
        let announced = self.frames.last_mut().and_then(|frame| frame.announced.take());
        // Before version 14 an indented line is foreign, unless the producer says what it is.
        let may_begin = announced.is_some() || matches!(line, Line::Subtest(_)) || self.report.version >= Some(14);
        if speaks && may_begin {
            self.frames.push(Frame { name: announced, ..Frame::default() });
            return true;
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.announced = announced;
        }
        false
    }

    fn foreign(&mut self, content: &str) {
        if self.strict && !content.starts_with('#') {
            self.problem(|| format!("`{}` is not TAP, and the stream is strict", clip(content)));
        }
    }

    fn at_level(&mut self, level: usize, line: Line, content: &str) {
        match line {
            Line::Version(version) => self.version(level, version),
            Line::Plan { count, skipped } => self.plan(level, Plan { count, skipped }),
            Line::Test(test) => self.test(level, test),
            Line::Bail(reason) => self.report.bailed = Some(reason),
            Line::Strict(on) => self.strict = on,
            Line::Subtest(name) => self.subtest(level, name),
            Line::Comment => {}
            Line::Other => self.foreign(content),
        }
    }

    fn version(&mut self, level: usize, version: u64) {
        let first = self.frames.iter().all(|frame| frame.plan.is_none() && frame.cases.is_empty());
        if level == 0 && first && self.report.version.is_none() {
            self.report.version = Some(version);
            if !(12..=14).contains(&version) {
                self.problem(|| format!("TAP version {version} is not known: it is read as the nearest one that is"));
            }
        } else if level == 0 {
            self.problem(|| "`TAP version` stands in the middle of the stream".to_owned());
        }
    }

    fn plan(&mut self, level: usize, plan: Plan) {
        let Some(frame) = self.frames.get_mut(level) else { return };
        if let Some(first) = &frame.plan {
            let first = first.count;
            self.problem(|| format!("a second plan, 1..{}: the first one, 1..{first}, holds", plan.count));
        } else {
            frame.plan_came_last = !frame.cases.is_empty();
            frame.plan = Some(plan);
        }
    }

    /// `# Subtest: name`, either before the subtest on its parent's level, or as its own first line.
    fn subtest(&mut self, level: usize, name: String) {
        self.cut_off_below(level);
        let Some(frame) = self.frames.get_mut(level) else { return };
        let fresh = level > 0 && frame.name.is_none() && frame.plan.is_none() && frame.cases.is_empty();
        if fresh {
            frame.name = Some(name);
        } else if let Some(lost) = frame.announced.replace(name) {
            self.unfinished(level, Some(lost), Vec::new());
        }
    }

    fn test(&mut self, level: usize, test: TestLine) {
        self.cut_off_below(level + 1);
        let (child_name, cases) = if self.frames.len() > level + 1 {
            self.pop()
        } else {
            (self.frames.get_mut(level).and_then(|frame| frame.announced.take()), Vec::new())
        };
        let Some(frame) = self.frames.get_mut(level) else { return };
        let number = test.number.unwrap_or(frame.last.saturating_add(1));
        let repeated = !frame.seen.insert(number);
        let out_of_order = number != frame.last.saturating_add(1);
        let after_plan = frame.plan_came_last;
        frame.last = number;
        if repeated {
            self.problem(|| format!("test {number} is reported twice"));
        } else if out_of_order {
            self.problem(|| format!("test {number} is out of order"));
        }
        if after_plan {
            self.problem(|| format!("test {number} comes after the plan that ended the stream"));
        }
        let (directive, reason) = test.directive.map_or((None, None), |(directive, reason)| (Some(directive), reason));
        let status = match (directive, test.ok) {
            (Some(Directive::Skip), _) => Status::Skip,
            (_, true) => Status::Pass,
            (Some(Directive::Todo), false) => Status::Done,
            (None, false) => Status::Fail,
        };
        let name = Some(test.name).filter(|name| !name.is_empty()).or(child_name);
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| number.to_string());
        if self.keep(level, Case { number, name, status, directive, reason, log_excerpt: None, cases }) {
            self.after_test = Some(level);
        }
    }

    /// Keeps a case if there is room. A top-level case that is left out still counts for the whole.
    fn keep(&mut self, level: usize, case: Case) -> bool {
        if self.kept >= MAX_CASES {
            if self.kept == MAX_CASES {
                self.kept += 1;
                self.problem(|| format!("there are more than {MAX_CASES} cases: the others are left out"));
            }
            if level == 0 {
                self.leave_out(case.status);
            }
            return false;
        }
        self.kept += 1;
        if let Some(frame) = self.frames.get_mut(level) {
            frame.cases.push(case);
        }
        true
    }

    fn leave_out(&mut self, status: Status) {
        self.report.left_out = Status::roll_up(self.report.left_out.into_iter().chain([status]));
    }

    /// Ends the frames deeper than `level` whose parent's line can no longer come.
    fn cut_off_below(&mut self, level: usize) {
        while self.frames.len() > level + 1 {
            let (name, cases) = self.pop();
            self.unfinished(self.frames.len() - 1, name, cases);
        }
    }

    /// Ends the deepest frame: its name and its cases.
    fn pop(&mut self) -> (Option<String>, Vec<Case>) {
        let level = self.frames.len() - 1;
        if let Some(lost) = self.frames.get_mut(level).and_then(|frame| frame.announced.take()) {
            self.unfinished(level, Some(lost), Vec::new());
        }
        self.frames.pop().map_or((None, Vec::new()), |mut frame| (frame.name.take(), self.close(frame)))
    }

    /// A subtest that began on the level below `level` and did not end.
    fn unfinished(&mut self, level: usize, name: Option<String>, cases: Vec<Case>) {
        let Some(frame) = self.frames.get_mut(level) else { return };
        let number = frame.last.saturating_add(1);
        frame.last = number;
        frame.seen.insert(number);
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| number.to_string());
        let reason = Some("its subtest began and did not end".to_owned());
        self.keep(
            level,
            Case { number, name, status: Status::Error, directive: None, reason, log_excerpt: None, cases },
        );
    }

    /// The cases of a frame, with those that its plan promised and the stream did not bring.
    fn close(&mut self, mut frame: Frame) -> Vec<Case> {
        let which = if self.frames.is_empty() { "stream" } else { "subtest" };
        let Some(plan) = &frame.plan else {
            if !frame.cases.is_empty() {
                self.problem(|| format!("a {which} has no plan: whether it is complete cannot be known"));
            }
            return frame.cases;
        };
        let count = plan.count;
        if frame.seen.last().is_some_and(|last| *last > count) || frame.seen.contains(&0) {
            self.problem(|| format!("a {which} has tests outside its plan 1..{count}"));
        }
        let missing = (1..=count).filter(|number| !frame.seen.contains(number));
        for number in missing {
            let reason = match &self.report.bailed {
                Some(why) if why.is_empty() => "never reported: the stream bailed out".to_owned(),
                Some(why) => format!("never reported: the stream bailed out: {why}"),
                None => format!("planned (1..{count}) and never reported"),
            };
            if self.kept >= MAX_CASES {
                self.problem(|| format!("there are more than {MAX_CASES} cases: the others are left out"));
                if self.frames.is_empty() {
                    self.leave_out(Status::Miss);
                }
                break;
            }
            self.kept += 1;
            frame.cases.push(Case {
                number,
                name: number.to_string(),
                status: Status::Miss,
                directive: None,
                reason: Some(reason),
                log_excerpt: None,
                cases: Vec::new(),
            });
        }
        frame.cases
    }

    fn finish(mut self) -> Report {
        if self.yaml.is_some() {
            self.problem(|| "the stream ends inside a block of diagnostics".to_owned());
            self.end_yaml();
        }
        self.cut_off_below(0);
        let plan = self.frames.first().and_then(|frame| frame.plan.clone());
        self.report.cases = self.pop().1;
        self.report.plan = plan;
        let said = self.report.plan.is_some() || self.report.bailed.is_some() || !self.report.cases.is_empty();
        if self.report.version.is_some() && !said {
            self.problem(|| "the stream has neither a plan nor a test".to_owned());
        }
        self.report
    }
}

/// The text of a line `message: …` of a YAML block, if it stands on that line.
fn message(line: &str) -> Option<String> {
    let text = line.strip_prefix("message:")?.trim();
    let inner = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    let text = inner('"').or_else(|| inner('\'')).unwrap_or(text);
    (!text.is_empty() && !text.starts_with(['|', '>'])).then(|| clip(text))
}
