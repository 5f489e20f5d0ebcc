//! The words of `cells.toml`: which keys there are, what each may say, which ones wait for a later version.
//!
//! Owns the reading of a plan's text into a [`PlanFile`]. A key that is not known is an error with the nearest known
//! one; a key that is known but does nothing yet is an error unless it says what holds anyway. All errors come in one
//! go, in the order of the file.

use crate::plan_file::{CellFile, PlanFile, Spans};
use crate::report::{Problem, Span};
use crate::{hint, size, suggest};
use manifest::{Console, Dma, Memory};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

type Value<'i> = Spanned<DeValue<'i>>;

const PLAN_KEYS: [&str; 5] = ["board", "when_idle", "service_cpu", "cell", "channel"];
const CELL_KEYS: [&str; 19] = [
    "name",
    "cpus",
    "memory",
    "kernel",
    "initrd",
    "bootargs",
    "devices",
    "dma",
    "console",
    "load",
    "entry",
    "dtb",
    "overlay",
    "gic",
    "on_fault",
    "on_violation",
    "watchdog",
    "start",
    "manager",
];
const MEMORY_KEYS: [&str; 4] = ["size", "at", "identity", "rights"];

/// Reads the plan `text`: what could be made of it, and everything that is wrong with its form.
///
/// # Errors
/// It is no TOML.
pub fn read(text: &str) -> Result<(PlanFile, Vec<Problem>), Vec<Problem>> {
    let table = DeTable::parse(text).map_err(|error| {
        let help = error.span().and_then(|span| hint::line(text, span.start));
        vec![Problem { help, ..Problem::new(error.message()).at(error.span()).code("E0001") }]
    })?;
    let mut reader = Reader::default();
    let plan = reader.plan(&table);
    reader.problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
    Ok((PlanFile { malformed: reader.malformed, ..plan }, reader.problems))
}

#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
    /// Of each cell.
    malformed: Vec<bool>,
}

impl Reader {
    fn plan(&mut self, table: &Spanned<DeTable<'_>>) -> PlanFile {
        let mut plan = PlanFile::default();
        for (key, value) in table.get_ref() {
            let name = key.get_ref().as_ref();
            note(&mut plan.spans, name, key.span(), value);
            match name {
                "board" => plan.board = self.text(name, value).unwrap_or_default(),
                "when_idle" => {
                    let choices = [("stay", Some(false)), ("poweroff", Some(true))];
                    plan.poweroff_when_idle = self.choice(name, value, &choices).unwrap_or_default();
                }
                "service_cpu" => plan.service_cpu = self.index(name, value),
                "cell" => plan.cells = self.list(name, value, Self::cell),
                "channel" => self.later("[[channel]]", value, None),
                _ => self.unknown("the plan", key, &PLAN_KEYS, &mut plan.spans),
            }
        }
        if !plan.spans.contains_key("board") {
            let problem = Problem::new("the plan has no board").code("E0004");
            self.problems.push(problem.help("add board = \"qemu-virt\", or another folder of platforms/"));
        }
        if !plan.spans.contains_key("cell") {
            self.problems.push(Problem::new("the plan has no cell").code("E0004").help("add a [[cell]]"));
        }
        for (key, all) in [("devices", (|cell| cell.rest) as fn(&CellFile) -> bool), ("memory", |cell| cell.all_memory)]
        {
            let cells = plan.cells.iter().zip(&mut self.malformed).filter(|(cell, _)| all(cell));
            for (cell, malformed) in cells.skip(1) {
                *malformed = true;
                let problem = Problem::new(format!("cell {} says {key} = \"rest\", as another cell", cell.name));
                let problem = problem.at(cell.spans.get(key).cloned()).code("E0008");
                self.problems.push(problem.help("the rest goes to one cell"));
            }
        }
        plan
    }

    fn cell(&mut self, _: &str, value: &Value<'_>) -> Option<CellFile> {
        let table = self.table("[[cell]]", value)?;
        let (mut cell, before) = (CellFile::default(), self.problems.len());
        cell.spans.insert(String::new(), value.span());
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            note(&mut cell.spans, name, key.span(), value);
            match name {
                "name" => cell.name = self.text(name, value).unwrap_or_default(),
                "cpus" => cell.cpus = self.list(name, value, Self::index),
                "memory" if value.get_ref().as_str() == Some("rest") => {
                    cell.all_memory = true;
                    cell.memory = vec![Memory { size: 0, at: None, identity: false }];
                }
                "memory" => cell.memory = self.memory(name, value),
                "kernel" => cell.kernel = self.text(name, value).unwrap_or_default(),
                "initrd" => cell.initrd = self.text(name, value),
                "bootargs" => cell.bootargs = self.text(name, value).unwrap_or_default(),
                "devices" if value.get_ref().as_str() == Some("rest") => cell.rest = true,
                "devices" => cell.devices = self.items(name, value, Self::text),
                "dma" => {
                    let choices = [("none", Some(Dma::None)), ("trusted", Some(Dma::Trusted)), ("smmu", None)];
                    cell.dma = self.choice(name, value, &choices).unwrap_or_default();
                }
                "console" => {
                    let own = ("passthrough", Some(Console::Passthrough));
                    let choices = [("virtual", Some(Console::Virtual)), ("none", Some(Console::None)), own];
                    cell.console = self.choice(name, value, &choices).unwrap_or_default();
                }
                "load" => cell.place.0 = self.number(name, value),
                "entry" => cell.place.1 = self.number(name, value),
                "overlay" => cell.overlay = self.text(name, value),
                "dtb" => cell.dtb = self.text(name, value).filter(|file| file != "auto"),
                "gic" => {
                    let choices = [("virtual", Some(false)), ("passthrough", Some(true))];
                    cell.passthrough = self.choice(name, value, &choices).unwrap_or_default();
                }
                "on_fault" => cell.on_fault = self.on_fault(name, value),
                "on_violation" => {
                    let choices = [("stop", Some(false)), ("inject", Some(true))];
                    cell.forgiving = self.choice(name, value, &choices).unwrap_or_default();
                }
                "watchdog" => cell.watchdog_ms = self.duration(name, value).unwrap_or_default(),
                "start" => {
                    let choices = [("boot", Some(false)), ("manual", Some(true))];
                    cell.manual = self.choice(name, value, &choices).unwrap_or_default();
                }
                "manager" => self.later(name, value, Some("false")),
                _ => self.unknown("a cell", key, &CELL_KEYS, &mut cell.spans),
            }
        }
        let who = if cell.name.is_empty() { "a cell".to_owned() } else { format!("cell {}", cell.name) };
        for (key, example) in [("name", "\"linux\""), ("cpus", "[0]"), ("memory", "\"128M\""), ("kernel", "\"Image\"")]
        {
            if !cell.spans.contains_key(key) {
                let problem = Problem::new(format!("{who} has no {key}")).at(value.span()).code("E0004");
                self.problems.push(problem.help(format!("add {key} = {example}")));
            }
        }
        self.malformed.push(self.problems.len() > before);
        Some(cell)
    }

    /// Reads `"256M"`, or a list of runs.
    fn memory(&mut self, name: &str, value: &Value<'_>) -> Vec<Memory> {
        if value.get_ref().is_array() {
            return self.list(name, value, Self::run);
        }
        let run = |size| Memory { size, at: None, identity: false };
        self.number(name, value).map(run).into_iter().collect()
    }

    fn run(&mut self, name: &str, value: &Value<'_>) -> Option<Memory> {
        let mut run = Memory { size: 0, at: None, identity: false };
        let mut spans = Spans::new();
        let table = self.table(name, value)?;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "size" => run.size = self.number("size", value)?,
                "at" => run.at = Some(self.number("at", value)?),
                "identity" => run.identity = self.flag("identity", value)?,
                "rights" => self.later("rights", value, Some("rwx")),
                _ => self.unknown("memory", key, &MEMORY_KEYS, &mut spans),
            }
        }
        if !table.contains_key("size") && !spans.contains_key("size") {
            let problem = Problem::new("a run of memory has no size").at(value.span()).code("E0004");
            self.problems.push(problem.help("write { size = \"64M\" }"));
        }
        Some(run)
    }

    /// Reads `"stop"`, `"restart"` or a budget of restarts.
    fn on_fault(&mut self, name: &str, value: &Value<'_>) -> (u32, u32) {
        if !value.get_ref().is_table() {
            let choices = [("stop", Some((0, 0))), ("restart", Some((u32::MAX, 0)))];
            return self.choice(name, value, &choices).unwrap_or_default();
        }
        let (mut restarts, mut within, mut spans) = (None, None, Spans::new());
        for (key, value) in self.table(name, value).into_iter().flatten() {
            let key_name = key.get_ref().as_ref();
            note(&mut spans, key_name, key.span(), value);
            match key_name {
                "restart" => match integer(value) {
                    Some(count @ 1..=16) => restarts = u32::try_from(count).ok(),
                    _ => restarts = self.wrong("restart", value, "a number of restarts, 1 to 16"),
                },
                "within" => within = self.duration("within", value),
                _ => self.unknown("on_fault", key, &["restart", "within"], &mut spans),
            }
        }
        if let Some(lacking) = ["restart", "within"].into_iter().find(|key| !spans.contains_key(*key)) {
            let problem = Problem::new(format!("on_fault has no {lacking}")).at(value.span()).code("E0004");
            self.problems.push(problem.help("write { restart = 3, within = \"10s\" }"));
        }
        restarts.zip(within).unwrap_or_default()
    }

    /// Reads a time such as `"2s"` or `"500ms"`, in milliseconds.
    fn duration(&mut self, name: &str, value: &Value<'_>) -> Option<u32> {
        let text = value.get_ref().as_str().unwrap_or_default();
        let (number, unit) = match text.strip_suffix("ms") {
            Some(number) => (number, 1),
            None => (text.strip_suffix('s').unwrap_or_default(), 1000),
        };
        let time = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit)).filter(|time| *time > 0);
        if time.is_some() { time } else { self.wrong(name, value, "a time such as \"2s\" or \"500ms\"") }
    }

    /// Reads a list that may not be empty.
    fn list<T>(&mut self, name: &str, value: &Value<'_>, each: fn(&mut Self, &str, &Value<'_>) -> Option<T>) -> Vec<T> {
        if value.get_ref().as_array().is_some_and(|array| array.iter().next().is_none()) {
            self.problems.push(Problem::new(format!("{name} is empty")).at(value.span()).code("E0003"));
        }
        self.items(name, value, each)
    }

    fn items<T>(
        &mut self,
        name: &str,
        value: &Value<'_>,
        each: fn(&mut Self, &str, &Value<'_>) -> Option<T>,
    ) -> Vec<T> {
        match value.get_ref().as_array() {
            Some(array) => array.iter().filter_map(|item| each(self, name, item)).collect(),
            None => self.wrong(name, value, "a list").unwrap_or_default(),
        }
    }

    fn table<'v, 'i>(&mut self, name: &str, value: &'v Value<'i>) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_some() { table } else { self.wrong(name, value, "a table") }
    }

    fn text(&mut self, name: &str, value: &Value<'_>) -> Option<String> {
        match value.get_ref().as_str() {
            Some(text) if text.contains('\0') => self.wrong(name, value, "text without NUL"),
            Some("") if name != "bootargs" => self.wrong(name, value, "text that is not empty"),
            Some(text) => Some(text.to_owned()),
            None => self.wrong(name, value, "text in quotes"),
        }
    }

    fn flag(&mut self, name: &str, value: &Value<'_>) -> Option<bool> {
        let flag = value.get_ref().as_bool();
        if flag.is_some() { flag } else { self.wrong(name, value, "true or false") }
    }

    /// Reads a size or an address: an integer or text with a unit.
    fn number(&mut self, name: &str, value: &Value<'_>) -> Option<u64> {
        let number = integer(value).or_else(|| size::parse(value.get_ref().as_str()?));
        let form = "a number of bytes such as \"256M\", \"64K\" or 0x4000_0000";
        if number.is_some() { number } else { self.wrong(name, value, form) }
    }

    fn index(&mut self, name: &str, value: &Value<'_>) -> Option<u32> {
        let index = integer(value).and_then(|number| u32::try_from(number).ok());
        if index.is_some() { index } else { self.wrong(name, value, "the index of a CPU: 0, 1, ...") }
    }

    /// Reads one of the words in `of`; those without a meaning wait for a later version.
    fn choice<T: Copy>(&mut self, name: &str, value: &Value<'_>, of: &[(&str, Option<T>)]) -> Option<T> {
        let word = value.get_ref().as_str().unwrap_or_default();
        match of.iter().find(|(known, _)| *known == word) {
            Some((_, Some(meaning))) => Some(*meaning),
            Some(_) => {
                self.later(name, value, None);
                None
            }
            None => {
                let ready = of.iter().filter(|(_, meaning)| meaning.is_some());
                let words: Vec<String> = ready.map(|(known, _)| format!("\"{known}\"")).collect();
                let near = suggest::nearest(word, of.iter().map(|(known, _)| *known));
                let problem = Problem::new(format!("{name} must be {}", words.join(" or ")));
                let problem = problem.at(value.span()).code("E0003");
                self.problems.push(match near {
                    Some(near) => problem.help(format!("did you mean \"{near}\"?")),
                    None => problem,
                });
                None
            }
        }
    }

    /// Refuses a key of a later version, unless it says `default`.
    fn later(&mut self, name: &str, value: &Value<'_>, default: Option<&str>) {
        let (text, flag) = (value.get_ref().as_str(), value.get_ref().as_bool());
        if default.is_some() && (text == default || flag.map(|flag| if flag { "true" } else { "false" }) == default) {
            return;
        }
        let said = text.map_or_else(String::new, |text| format!(" = \"{text}\""));
        let problem = Problem::new(format!("{name}{said} is not in this version")).at(value.span()).code("E0005");
        self.problems.push(match default {
            Some("false") => problem.help(format!("leave {name} out")),
            Some(default) => problem.help(format!("leave {name} out, or say \"{default}\"")),
            None => problem.help("leave it out"),
        });
    }

    /// Refuses a key that does not exist; the one it was meant to be then counts as there.
    fn unknown(&mut self, place: &str, key: &Spanned<DeString<'_>>, known: &[&str], spans: &mut Spans) {
        let name = key.get_ref().as_ref();
        let problem = Problem::new(format!("{place} has no key {name}")).at(key.span()).code("E0002");
        let meant = || hint::word(name).filter(|ours| known.contains(ours));
        let cell = known.contains(&"name");
        self.problems.push(match suggest::nearest(name, known.iter().copied()).or_else(meant) {
            Some(near) => {
                spans.insert(near.to_owned(), key.span());
                problem.help(format!("did you mean {near}?"))
            }
            None if cell && PLAN_KEYS.contains(&name) => {
                problem.help(format!("{name} is the plan's: put it above the first [[cell]]"))
            }
            None if known.contains(&"board") && CELL_KEYS.contains(&name) => {
                problem.help(format!("{name} is a cell's: put it below the [[cell]] it is for"))
            }
            None => problem.help(format!("the keys are {}", known.join(", "))),
        });
    }

    fn wrong<T>(&mut self, name: &str, value: &Value<'_>, form: &str) -> Option<T> {
        let help = hint::example(name).map(str::to_owned);
        let problem = Problem::new(format!("{name} must be {form}")).at(value.span()).code("E0003");
        self.problems.push(Problem { help, ..problem });
        None
    }
}

/// Notes where a key stands, and each item of a list.
fn note(spans: &mut Spans, name: &str, key: Span, value: &Value<'_>) {
    spans.insert(name.to_owned(), key.start..value.span().end);
    for (index, item) in value.get_ref().as_array().into_iter().flat_map(|array| array.iter()).enumerate() {
        spans.insert(format!("{name}[{index}]"), item.span());
    }
}

fn integer(value: &Value<'_>) -> Option<u64> {
    let integer = value.get_ref().as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
