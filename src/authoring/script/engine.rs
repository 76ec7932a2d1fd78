//! One JavaScript engine with one script in it, within limits of memory, stack and time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rquickjs::context::intrinsic;
use rquickjs::object::Filter;
use rquickjs::{
    Array, Context, Ctx, Exception, Function, Module, Object, Persistent, Runtime, Value,
};

use super::trouble::{Thrown, Trouble};
use super::values::{Parcel, Refusal, attributes};
use super::{MEMORY_BYTES_MAX, STACK_BYTES_MAX, TIME_MAX, bindings, number};
use crate::authoring::Source;
use crate::dynamo::WireItem;
use crate::item::{Change, Item, Put};

/// What a script is given beside the language; its documentation says what is taken away.
const PRELUDE: &str = include_str!("prelude.js");
/// The one module that a script can import, and how it comes to be.
const MODULE: &str = "tablewright";
const EXPORTS: &str = "export const { Decimal, put, remove, skip } = globalThis.tablewright;";

/// Not among them: clocks that are read with each look, references that tell when memory is reclaimed.
type Intrinsics = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
);

/// An engine, used by one thread at a time.
pub(super) struct Engine {
    // What lives in the runtime goes before it does.
    hooks: Hooks,
    exports: Option<Persistent<Object<'static>>>,
    variables: Vec<String>,
    context: Context,
    runtime: Runtime,
    watch: Arc<Watch>,
    /// The item of the call that is under way.
    item: Arc<Current>,
}

/// Functions of the prelude.
struct Hooks {
    run: Hook,
    check: Hook,
    describe: Hook,
    explain: Hook,
    kind_of: Hook,
    kind_of_function: Hook,
    settle: Hook,
}

type Hook = Persistent<Function<'static>>;

/// When a call is to be over, and whether it was ended for that.
#[derive(Debug, Default)]
struct Watch {
    until: Mutex<Option<Instant>>,
    has_ended: AtomicBool,
}

/// The item of the call that is under way.
#[derive(Debug, Default)]
struct Current(Mutex<Option<Item>>);

/// An export of a script, as far as it can be told without asking for more.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Export {
    Text(String),
    Number(f64),
    Function,
    /// A function that is none to call for a value, as an async one.
    Odd(String),
    /// What it is instead.
    Other(String),
}

impl Engine {
    /// An engine in which this script has been evaluated.
    ///
    /// # Errors
    /// What is wrong with its syntax, its imports or its code outside of functions.
    pub(super) fn start(source: &Source) -> Result<Self, Trouble> {
        let no_engine =
            |why: String| Trouble::fatal(format!("the JavaScript engine does not start: {why}"));
        let runtime = Runtime::new().map_err(|error| no_engine(error.to_string()))?;
        runtime.set_memory_limit(MEMORY_BYTES_MAX);
        runtime.set_max_stack_size(STACK_BYTES_MAX);
        let watch = Arc::new(Watch::default());
        let watching = Arc::clone(&watch);
        runtime.set_interrupt_handler(Some(Box::new(move || watching.is_over())));
        let context = Context::custom::<Intrinsics>(&runtime)
            .map_err(|error| no_engine(error.to_string()))?;
        let item = Arc::new(Current::default());
        let hooks = context
            .with(|ctx| prepare(&ctx, &item).map_err(|error| no_engine(said(&ctx, &error))))?;
        let (exports, variables) = (None, Vec::new());
        let mut engine = Self { hooks, exports, variables, context, runtime, watch, item };
        let exports = engine.within(source, |ctx, _| evaluate(ctx, source))?;
        engine.exports = Some(exports);
        engine.variables = engine.within(source, |ctx, engine| {
            let bindings: Value<'_> = engine.exports(ctx)?.get(bindings::EXPORT)?;
            Ok(engine.hooks.settle.clone().restore(ctx)?.call((bindings,))?)
        })?;
        Ok(engine)
    }

    /// Names of what stands outside of the functions of the script and can be assigned to.
    pub(super) fn variables(&self) -> &[String] {
        &self.variables
    }

    /// What the script exports, by name.
    pub(super) fn declared(&self, source: &Source) -> Result<Vec<(String, Export)>, Trouble> {
        self.within(source, |ctx, engine| {
            let mut declared = Vec::new();
            for entry in engine.exports(ctx)?.own_props(Filter::default()) {
                let (name, value): (String, _) = entry?;
                if name != bindings::EXPORT {
                    declared.push((name, engine.export(ctx, value)?));
                }
            }
            Ok(declared)
        })
    }

    fn export<'js>(&self, ctx: &Ctx<'js>, value: Value<'js>) -> rquickjs::Result<Export> {
        if let Some(text) = value.as_string() {
            return Ok(Export::Text(text.to_string()?));
        }
        if let Some(number) = value.as_number() {
            return Ok(Export::Number(number));
        }
        let is_function = value.is_function();
        let kind = if is_function { &self.hooks.kind_of_function } else { &self.hooks.kind_of };
        let kind: String = kind.clone().restore(ctx)?.call((value,))?;
        Ok(match (is_function, kind.as_str()) {
            (true, "Function") => Export::Function,
            (true, _) => Export::Odd(kind),
            (false, _) => Export::Other(kind),
        })
    }

    /// Calls a transform about an item.
    pub(super) fn transform(
        &self,
        source: &Source,
        name: &str,
        item: &Item,
    ) -> Result<Change, Trouble> {
        self.about(source, item, |ctx, engine| {
            let run = engine.hooks.run.clone().restore(ctx)?;
            let transform: Function<'_> = engine.exports(ctx)?.get(name)?;
            let outcome: Array<'_> = run.call((name, transform))?;
            engine.change(ctx, &outcome, item)
        })
    }

    /// Asks whether an item is as it should be.
    pub(super) fn verify(&self, source: &Source, item: &Item) -> Result<bool, Trouble> {
        self.about(source, item, |ctx, engine| {
            let check = engine.hooks.check.clone().restore(ctx)?;
            let predicate: Function<'_> = engine.exports(ctx)?.get("verify")?;
            Ok(check.call((predicate,))?)
        })
    }

    /// Bytes that it has in use once what nobody holds is gone.
    #[cfg(test)]
    pub(super) fn memory(&self) -> i64 {
        self.runtime.run_gc();
        self.runtime.memory_usage().malloc_size
    }

    fn change<'js>(
        &self,
        ctx: &Ctx<'js>,
        outcome: &Array<'js>,
        item: &Item,
    ) -> Result<Change, Refusal> {
        let describe = self.hooks.describe.clone().restore(ctx)?;
        // The engine looks without anything following from that: what the script asked for is noted already.
        let before = item.wire();
        let kind: String = outcome.get(0)?;
        let (attributes, gone) = match kind.as_str() {
            "remove" => return Ok(Change::Delete),
            "skip" => return Ok(Change::Skip(outcome.get(1)?)),
            "put" => return puts(&outcome.get(1)?, &describe).map(Change::Put),
            "left" => {
                let seen: Object<'js> = outcome.get(1)?;
                let mut gone: Vec<String> = outcome.get(2)?;
                for name in seen.keys() {
                    gone.push(name?);
                }
                (attributes(&seen, &describe, before)?, gone)
            }
            _ => {
                (attributes(&outcome.get(1)?, &describe, before)?, before.keys().cloned().collect())
            }
        };
        let mut changed = item.clone();
        for name in gone.iter().filter(|name| !attributes.contains_key(*name)) {
            changed.remove(name);
        }
        for (name, value) in attributes {
            changed.set(&name, value);
        }
        Ok(Change::Update(changed))
    }

    fn about<R>(
        &self,
        source: &Source,
        item: &Item,
        call: impl FnOnce(&Ctx<'_>, &Self) -> Result<R, Refusal>,
    ) -> Result<R, Trouble> {
        *self.item.get() = Some(item.clone());
        let result = self.within(source, call);
        *self.item.get() = None;
        result
    }

    /// Calls the script, within its limits, and says what it threw.
    fn within<R>(
        &self,
        source: &Source,
        call: impl FnOnce(&Ctx<'_>, &Self) -> Result<R, Refusal>,
    ) -> Result<R, Trouble> {
        self.watch.begin(TIME_MAX);
        let result = self.context.with(|ctx| {
            call(&ctx, self).map_err(|refusal| match refusal {
                Refusal::Value(problem) => Trouble::new(problem),
                Refusal::Engine(rquickjs::Error::Exception) => self.thrown(&ctx, source),
                Refusal::Engine(rquickjs::Error::Allocation) => Trouble::out_of_memory(),
                Refusal::Engine(error) => {
                    Trouble::fatal(format!("the JavaScript engine stops: {error}"))
                }
            })
        });
        self.watch.set(None);
        if !self.runtime.is_job_pending() {
            return result;
        }
        match result {
            Ok(_) => Err(Trouble::fatal(
                "it leaves a promise behind; a script does not wait, so use no async function and no then",
            )),
            Err(trouble) => Err(Trouble { is_fatal: true, ..trouble }),
        }
    }

    fn thrown(&self, ctx: &Ctx<'_>, source: &Source) -> Trouble {
        let error = ctx.catch();
        let was_ended = self.watch.has_ended.load(Ordering::Relaxed);
        // An error has getters where its author has given it some.
        self.watch.begin(TIME_MAX);
        let parts = self.hooks.explain.clone().restore(ctx).and_then(|explain| {
            let parts: Array<'_> = explain.call((error,))?;
            Ok(Thrown { name: parts.get(0)?, message: parts.get(1)?, stack: parts.get(2)? })
        });
        if let Ok(thrown) = parts {
            return Trouble::thrown(&thrown, source, was_ended);
        }
        ctx.catch();
        Trouble::fatal("it threw what cannot be shown, or is out of memory")
    }

    fn exports<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Object<'js>> {
        match &self.exports {
            Some(exports) => exports.clone().restore(ctx),
            None => Object::new(ctx.clone()),
        }
    }
}

impl Watch {
    fn begin(&self, time: Duration) {
        self.has_ended.store(false, Ordering::Relaxed);
        self.set(Some(Instant::now() + time));
    }

    fn set(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn is_over(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = until.is_some_and(|until| Instant::now() >= until);
        self.has_ended.fetch_or(is_over, Ordering::Relaxed);
        is_over
    }
}

impl Current {
    fn get(&self) -> MutexGuard<'_, Option<Item>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Evaluates the prelude and the module that scripts import, and closes what they must not find.
fn prepare(ctx: &Ctx<'_>, item: &Arc<Current>) -> rquickjs::Result<Hooks> {
    let prelude: Function<'_> = ctx.eval(PRELUDE)?;
    let hooks: Object<'_> = prelude.call((offered(ctx, item)?,))?;
    Module::declare(ctx.clone(), MODULE, EXPORTS)?.eval()?.1.finish::<()>()?;
    hooks.get::<_, Function<'_>>("close")?.call::<_, ()>(())?;
    let hook = |name: &str| -> rquickjs::Result<Hook> {
        Ok(Persistent::save(ctx, hooks.get::<_, Function<'_>>(name)?))
    };
    Ok(Hooks {
        run: hook("run")?,
        check: hook("check")?,
        describe: hook("describe")?,
        explain: hook("explain")?,
        kind_of: hook("kindOf")?,
        kind_of_function: hook("kindOfFunction")?,
        settle: hook("settle")?,
    })
}

/// Evaluates a script, and returns what it exports.
fn evaluate(ctx: &Ctx<'_>, source: &Source) -> Result<Persistent<Object<'static>>, Refusal> {
    let declare = |text: &str| Module::declare(ctx.clone(), source.file.as_str(), text);
    // As it is first: a syntax error is then where its author sees it.
    declare(&source.text)?;
    let (module, done) = declare(&bindings::with_export(&source.text))?.eval()?;
    match done.finish::<Value<'_>>() {
        Err(rquickjs::Error::WouldBlock) => {
            Err(Refusal::Value("it awaits something outside of its functions".to_owned()))
        }
        done => {
            done?;
            Ok(Persistent::save(ctx, module.namespace()?))
        }
    }
}

/// What the prelude asks this side for.
fn offered<'js>(ctx: &Ctx<'js>, item: &Arc<Current>) -> rquickjs::Result<Object<'js>> {
    let (one, all) = (Arc::clone(item), Arc::clone(item));
    // It calls nothing: a call from here would have the engine take this depth of the stack for the top of it.
    let read = move |ctx: Ctx<'js>, name: String| match one.get().as_ref() {
        Some(item) => item.get(&name).map(|value| Parcel::of(&ctx, value)).transpose(),
        None => Ok(None),
    };
    let names = move || -> Vec<String> {
        let item = all.get();
        item.as_ref().map(|item| item.as_wire().keys().cloned().collect()).unwrap_or_default()
    };
    let number = |text: String| match number::checked(&text) {
        Ok(digits) => [digits, String::new()].to_vec(),
        Err(problem) => [String::new(), problem].to_vec(),
    };
    let offered = Object::new(ctx.clone())?;
    offered.set("read", Function::new(ctx.clone(), read)?)?;
    offered.set("names", Function::new(ctx.clone(), names)?)?;
    offered.set("number", Function::new(ctx.clone(), number)?)?;
    Ok(offered)
}

fn said(ctx: &Ctx<'_>, error: &rquickjs::Error) -> String {
    let message = ctx.catch().into_object().and_then(Exception::from_object);
    message.and_then(|exception| exception.message()).unwrap_or_else(|| error.to_string())
}

fn puts<'js>(all: &Array<'js>, describe: &Function<'js>) -> Result<Vec<Put>, Refusal> {
    let put = |one: rquickjs::Result<Array<'js>>| {
        let one = one?;
        let item = attributes(&one.get(1)?, describe, &WireItem::new())?;
        Ok(Put { table: one.get(0)?, item: item.into() })
    };
    all.iter().map(put).collect()
}
