//! What stops a script, and what no call leaves to the next.

use super::*;

#[test]
fn whatever_a_call_does_to_the_engine_the_next_one_finds_it_as_it_was() {
    let script = Script::body(
        "switch (item.do) {
           case 'recurse': { const f = (n) => f(n + 1) + 1; return f(0) }
           case 'recurse through a getter': { const o = { get x() { return this.x } }; return o.x }
           case 'sort forever': return [3, 2, 1].sort(() => { for (;;); })
           case 'catch the end': try { for (;;); } catch { return } finally { item.n = 1 }
           case 'a long text': return 'x'.repeat(1e9)
           case 'longer and longer': { let x = 'x'; for (;;) x += x }
           case 'grow': { const a = []; for (;;) a.push({ a, text: 'x'.repeat(1e5) + a.length }) }
           case 'a regular expression': return /^(a+)+$/.test('a'.repeat(40) + 'b')
           case 'a deep answer': { let m = {}; for (let i = 0; i < 1e5; i++) m = { m }; item.m = m; return }
           case 'a getter': item.m = { get x() { throw new Error('mine') } }; return
           case 'a getter of the answer': return { get x() { for (;;); } }
           case 'a big bigint': return 2n ** (2n ** 40n)
           case 'an array without end': item.a = new Array(2 ** 32 - 1); return
           case 'an odd array': item.a = new Proxy([1], { get: () => 'x' }); return
           case 'an array as a proxy': item.a = new Proxy([1], { get: (a, k) => { if (k === '0') throw new Error('mine'); return a[k] } }); return
           case 'promises': for (let i = 0; i < 9; i++) Promise.resolve(1).then(() => { for (;;); }); throw new Error('mine')
           case 'a proxy': return new Proxy({}, { ownKeys() { throw new Error('mine') } })
           case 'a generator': item.g = (function* () { for (;;) yield 1 })(); return
           case 'a set without end': { const s = new Set(); for (let i = 0; ; i++) s.add('x'.repeat(1e5) + i) }
         }
         item.n += 1",
    );
    let said: Vec<String> = script
        .0
        .text
        .lines()
        .filter_map(|line| Some(line.split_once("case '")?.1.split_once('\'')?.0.to_owned()))
        .map(|what| {
            let why = script.fails(&item([("do", s(&what)), ("n", n("1"))]));
            // The engine is one of this thread, be it the same as before or another.
            let next = script.up(&item([("n", n("1"))]));
            assert_eq!(next, Ok(Change::Update(item([("n", n("2"))]).into())), "{what}");
            let place = why.split_once(' ').map_or(why.as_str(), |(_, rest)| rest);
            format!("{what}\n    {}", place.replace(", or threw null", ""))
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn the_stack_of_a_call_is_counted_from_where_it_begins() {
    #[expect(clippy::large_stack_arrays, reason = "to be further down the stack")]
    fn deeper(script: &Script, before: &WireItem) -> WireItem {
        let room = std::hint::black_box([0_u8; 2 * STACK_BYTES_MAX]);
        let made = script.makes(before);
        assert_eq!(room.len(), 2 * STACK_BYTES_MAX);
        made
    }
    let script = Script::body("item.n += 1");
    let (before, after) = (item([("n", n("1"))]), item([("n", n("2"))]));
    assert_eq!(script.makes(&before), after);
    assert_eq!(deeper(&script, &before), after);
    let begun_deeper = Script::body("item.n += 1");
    assert_eq!(deeper(&begun_deeper, &before), after);
    assert_eq!(begun_deeper.makes(&before), after);

    // Not from where the script last asked for an attribute.
    let script = Script::body("const f = (i) => { item[`n${i}`]; return f(i + 1) + 1 }; f(0)");
    let many = (0..10_000).map(|i| (format!("n{i}"), n("12345678901234567890")));
    assert!(script.fails(&many.collect()).contains("call stack"));
}

#[test]
fn an_item_is_not_kept_from_call_to_call_and_memory_does_not_grow() {
    // A function that has ended can keep variables, the one place that is out of reach.
    let kept = Script::of(
        "const swap = (() => { let last; return (item) => { const before = last; last = item; return before } })()
         export function up(item) { swap(item)?.n; item.x = 1 }",
    );
    let before = item([("n", n("1"))]);
    kept.makes(&before);
    assert!(kept.fails(&before).contains("earlier call"));

    let script = Script::body(
        "item.o = { a: [1, 2, { b: 'x'.repeat(100) }] }; const c = {}; c.c = c; if (item.n === 7) throw new Error('7')",
    );
    let used = |calls: std::ops::Range<u32>| {
        for number in calls {
            let _ = script.up(&item([
                ("n", n(&(number % 10).to_string())),
                ("all", AttributeValue::M(all_types())),
            ]));
        }
        with_engine(&script.0, |engine| Ok(engine.memory())).unwrap()
    };
    let (few, many) = (used(0..100), used(100..3000));
    assert!(many <= few + few / 10, "{few} and then {many} bytes");
}

#[test]
fn what_stands_outside_of_the_functions_is_the_same_for_every_item() {
    let script = Script::of(
        "const [first, { deep }] = [['a'], { deep: { n: [1] } }], dash = /-/g
         const known = new Set(['x']), names = new Map([['x', 'y']])
         class Money { static all = 0 }
         function count() {}
         export function up(item) {
           switch (item.do) {
             case 'array': first.push(1); break
             case 'object': deep.n.push(1); break
             case 'set': known.add('y'); break
             case 'map': names.delete('x'); break
             case 'class': Money.all += 1; break
             case 'function': count.n = 1; break
             case 'export': up.n = 1; break
           }
           item.is = dash.test(item.text) && known.has('x') && names.get('x') === 'y'
           item.text = item.text.replace(dash, '')
         }",
    );
    let before = item([("text", s("a-b-"))]);
    let after = item([("text", s("ab")), ("is", AttributeValue::Bool(true))]);
    for _ in 0..3 {
        assert_eq!(script.makes(&before), after);
    }
    for what in ["array", "object", "set", "map", "class", "function", "export"] {
        script.fails(&item([("do", s(what)), ("text", s(""))]));
        assert_eq!(script.makes(&before), after, "{what}");
    }
}

#[test]
fn scripts_run_on_several_threads_and_no_thread_keeps_more_engines_than_it_should() {
    let script = Script::body("item.n += 1");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(script.makes(&item([("n", n("1"))]))["n"], n("2")));
        }
    });
    let all: Vec<_> = (0..2 * ENGINES_MAX).map(|_| Script::body("item.n += 1")).collect();
    for script in &all {
        script.makes(&item([("n", n("1"))]));
    }
    assert_eq!(ENGINES.with_borrow(Vec::len), ENGINES_MAX);
    drop(all);
    script.makes(&item([("n", n("1"))]));
    assert_eq!(ENGINES.with_borrow(Vec::len), 1);
}
