//! An HTTP runner's settings, read to the end: templates compiled, pointers, methods and headers looked at, secrets that
//! sign understood. `config check` and the start both do this, so that nothing of it is left to fail later.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName};

use super::runners::{HttpAnswer, HttpRequest, HttpResults, HttpRunner};
use crate::domain::adapter::reading::{FACTS, Pointer, Reading, Results, Words};
use crate::domain::adapter::template::{Form, Known, Template};
use crate::domain::webhook::Key;

/// Headers that the client itself makes.
const OURS: [&str; 6] = ["host", "content-length", "transfer-encoding", "connection", "accept-encoding", "user-agent"];

/// An HTTP runner, ready to be spoken to.
#[derive(Clone, Debug)]
pub struct HttpPlan {
    /// Starts a job.
    pub submit: HttpCall,
    /// Looks for a job.
    pub find: Option<HttpCall>,
    /// Asks how far a job is.
    pub poll: HttpCall,
    /// Stops a job.
    pub cancel: Option<HttpCall>,
    /// Fetches results.
    pub collect: Option<HttpCall>,
    /// Fetches the log.
    pub log: Option<HttpCall>,
    /// How callbacks are read.
    pub callback: Reading,
    /// What its words mean.
    pub words: Words,
    /// What requests are signed with.
    pub sign_with: Vec<Key>,
    /// What callbacks must be signed with.
    pub signed_by: Vec<Key>,
}

/// A request, ready to be filled in.
#[derive(Clone, Debug)]
pub struct HttpCall {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Template,
    /// The headers.
    pub headers: Vec<(HeaderName, Template)>,
    /// The body, and whether it is JSON.
    pub body: Option<(Template, Form)>,
    /// How the answer is read.
    pub reading: Reading,
}

impl HttpRunner {
    /// Reads the settings to the end.
    ///
    /// # Errors
    /// Every mistake, as a sentence that begins with the runner and the setting.
    pub fn plan(&self) -> Result<HttpPlan, Vec<String>> {
        let mut reader = Reader { runner: self, secrets: self.secrets.keys().cloned().collect(), faults: Vec::new() };
        let call = |reader: &mut Reader<'_>, name, request: &Option<HttpRequest>| {
            request.as_ref().map(|request| reader.call(name, request, true))
        };
        let submit = reader.call("submit", &self.submit, false);
        let find = self.find.as_ref().map(|find| reader.call("find", find, false));
        let poll = reader.call("poll", &self.poll, true);
        let cancel = call(&mut reader, "cancel", &self.cancel);
        let collect = call(&mut reader, "collect", &self.collect);
        let log = call(&mut reader, "log", &self.log);
        let told = self.callback.answer.as_ref().map_or(("answer", &self.answer), |told| ("callback.answer", told));
        let callback = reader.reading(told.0, told.1);
        let sign_with = reader.keys("sign_with", &self.sign_with);
        let signed_by = reader.keys("callback.secrets", &self.callback.secrets);
        if sign_with.iter().any(|key| !key.can_sign()) {
            reader.fault("sign_with", "a public key signs nothing: name secrets that begin with `whsec_`");
        }
        if find.as_ref().and_then(Option::as_ref).is_some_and(|find| find.reading.uid.is_none()) {
            reader.fault("find", "want `answer.uid`, where the id of a job that was found stands");
        }
        if poll.as_ref().is_some_and(|poll| poll.reading.phase.is_none()) {
            reader.fault("poll", "want `answer.phase`, where the word for how far the job is stands");
        }
        if callback.uid.is_none() {
            reader.fault("callback", "want `answer.uid`, where a callback names its job");
        }
        let words = Words { phases: self.phases.clone(), statuses: self.statuses.clone() };
        let (Some(submit), Some(poll), true) = (submit, poll, reader.faults.is_empty()) else {
            return Err(reader.faults);
        };
        // Without faults each call that was asked for is there.
        let (find, cancel, collect, log) = (find.flatten(), cancel.flatten(), collect.flatten(), log.flatten());
        Ok(HttpPlan { submit, find, poll, cancel, collect, log, callback, words, sign_with, signed_by })
    }
}

struct Reader<'a> {
    runner: &'a HttpRunner,
    secrets: BTreeSet<String>,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, place: &str, what: &str) {
        let fault = format!("runners.http: `{}`: {place}: {what}", self.runner.name);
        // What holds for all requests is read with each.
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    fn template(&mut self, place: &str, text: &str, form: Form, uid: bool) -> Option<Template> {
        match Template::compile(text, form, Known { secrets: &self.secrets, uid }) {
            Ok(template) => Some(template),
            Err(error) => {
                self.fault(place, &error.to_string());
                None
            }
        }
    }

    /// One request; `uid` says whether the job's id is known by then.
    fn call(&mut self, name: &str, request: &HttpRequest, uid: bool) -> Option<HttpCall> {
        let usual = if request.body.is_some() { "POST" } else { "GET" };
        let method = match request.method.as_deref().unwrap_or(usual) {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            other => {
                self.fault(
                    &format!("{name}.method"),
                    &format!("`{other}` is none: want GET, POST, PUT, PATCH or DELETE"),
                );
                return None;
            }
        };
        let url = self.template(&format!("{name}.url"), &request.url, Form::Url, uid);
        let mut form = Form::Json;
        let mut headers: BTreeMap<String, (HeaderName, Template)> = BTreeMap::new();
        let all = self.runner.headers.iter().map(|header| ("headers".to_owned(), header));
        for (place, (header, text)) in all.chain(request.headers.iter().map(|it| (format!("{name}.headers"), it))) {
            let read = HeaderName::from_bytes(header.as_bytes()).ok();
            let Some(read) = read.filter(|read| !OURS.contains(&read.as_str())) else {
                self.fault(&place, &format!("`{header}` is no header that can be set"));
                continue;
            };
            if read == CONTENT_TYPE {
                let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                form =
                    if essence == "application/json" || essence.ends_with("+json") { Form::Json } else { Form::Text };
            }
            if let Some(template) = self.template(&format!("{place}.{header}"), text, Form::Text, uid) {
                headers.insert(read.as_str().to_owned(), (read, template));
            }
        }
        let body = match &request.body {
            Some(text) => Some((self.template(&format!("{name}.body"), text, form, uid)?, form)),
            None => None,
        };
        let reading = match &request.answer {
            Some(answer) => self.reading(&format!("{name}.answer"), answer),
            None => self.reading("answer", &self.runner.answer),
        };
        Some(HttpCall { method, url: url?, headers: headers.into_values().collect(), body, reading })
    }

    fn pointer(&mut self, place: &str, name: &str, text: Option<&String>) -> Option<Pointer> {
        match Pointer::parse(text?) {
            Ok(pointer) => Some(pointer),
            Err(error) => {
                self.fault(&format!("{place}.{name}"), &error.to_string());
                None
            }
        }
    }

    fn reading(&mut self, place: &str, answer: &HttpAnswer) -> Reading {
        let mut build = BTreeMap::new();
        for (fact, text) in &answer.build {
            if !FACTS.contains(&fact.as_str()) {
                self.fault(
                    &format!("{place}.build"),
                    &format!("there is no fact `{fact}`: there are {}", FACTS.join(", ")),
                );
            }
            if let Some(pointer) = self.pointer(place, &format!("build.{fact}"), Some(text)) {
                build.insert(fact.clone(), pointer);
            }
        }
        let mut at = |name: &str, text: &Option<String>| self.pointer(place, name, text.as_ref());
        let mut reading = Reading {
            uid: at("uid", &answer.uid),
            phase: at("phase", &answer.phase),
            verdict: at("verdict", &answer.verdict),
            message: at("message", &answer.message),
            started_at: at("started_at", &answer.started_at),
            duration_s: at("duration_s", &answer.duration_s),
            device: at("device", &answer.device),
            download_url: at("download_url", &answer.download_url),
            log_url: at("log_url", &answer.log_url),
            build,
            results: None,
        };
        reading.results = answer.results.as_ref().and_then(|results| self.results(place, results));
        reading
    }

    fn results(&mut self, place: &str, results: &HttpResults) -> Option<Results> {
        let place = format!("{place}.results");
        let mut at = |name: &str, text: Option<&String>| self.pointer(&place, name, text);
        Some(Results {
            at: at("at", Some(&results.at))?,
            name: at("name", results.name.as_ref()),
            status: at("status", Some(&results.status))?,
            reason: at("reason", results.reason.as_ref()),
            duration_s: at("duration_s", results.duration_s.as_ref()),
            log: at("log", results.log.as_ref()),
            cases: at("cases", results.cases.as_ref()),
        })
    }

    fn keys(&mut self, place: &str, names: &[String]) -> Vec<Key> {
        let mut keys = Vec::new();
        for name in names {
            match self.runner.known.get(name).map(|text| Key::parse(text.trim())) {
                Some(Ok(key)) => keys.push(key),
                Some(Err(error)) => self.fault(place, &format!("the secret `{name}` is no key: {error}")),
                None => self.fault(place, &format!("there is no secret `{name}`: name it in `secrets`")),
            }
        }
        keys
    }
}
