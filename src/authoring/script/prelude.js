// What a script finds beside the language, and what it does not: evaluated once per engine, before the script.
(host) => {
  'use strict';

  const { create, defineProperty, freeze, getOwnPropertyDescriptors, getPrototypeOf, hasOwn } = Object;
  const RealDate = Date;
  const toHex = Uint8Array.prototype.toHex;
  const valuesOfSet = Set.prototype.values;
  const data = (value) => ({ value, writable: true, enumerable: true, configurable: true });
  const hidden = (value) => ({ value, writable: false, enumerable: false, configurable: false });

  /** A number that a JavaScript number would round, as its digits. */
  class Decimal {
    #text;

    constructor(value) {
      const given = typeof value;
      if (value !== null && given === 'object' && #text in value) this.#text = value.#text;
      else if (given === 'string' || given === 'number' || given === 'bigint') this.#text = checked(`${value}`);
      else throw new Error(`a Decimal is made from a text, a number or a bigint, and this is ${kindOf(value)}`);
      freeze(this);
    }

    static textOf(value) {
      return #text in value ? value.#text : undefined;
    }

    plus(other) {
      const [a, b, exponent] = aligned(this, other);
      return new Decimal(`${a + b}e${exponent}`);
    }

    minus(other) {
      const [a, b, exponent] = aligned(this, other);
      return new Decimal(`${a - b}e${exponent}`);
    }

    times(other) {
      const [a, b] = [parts(this), parts(new Decimal(other))];
      return new Decimal(`${a[0] * b[0]}e${a[1] + b[1]}`);
    }

    compare(other) {
      const [a, b] = aligned(this, other);
      return a < b ? -1 : a > b ? 1 : 0;
    }

    equals(other) {
      return this.compare(other) === 0;
    }

    toBigInt() {
      const [coefficient, exponent] = parts(this);
      if (exponent < 0) throw new Error('a Decimal with a fraction is no bigint');
      return coefficient * 10n ** BigInt(exponent);
    }

    roundToNumber() {
      return Number(this.#text);
    }

    toString() {
      return this.#text;
    }

    toJSON() {
      return this.#text;
    }

    [Symbol.toPrimitive](hint) {
      if (hint === 'string') return this.#text;
      throw new Error(
        'arithmetic and == would round a Decimal; use plus, minus, times, compare and equals, or roundToNumber()',
      );
    }
  }

  const textOf = Decimal.textOf;
  delete Decimal.textOf;

  const checked = (text) => {
    const [digits, problem] = host.number(text);
    if (problem !== '') throw new Error(`a Decimal that ${problem}`);
    return digits;
  };

  /** A whole coefficient, and the power of ten that it stands for. */
  const parts = (decimal) => {
    const [digits, exponent = '0'] = textOf(decimal).toLowerCase().split('e');
    const [whole, fraction = ''] = digits.split('.');
    return [BigInt(whole + fraction), Number(exponent) - fraction.length];
  };

  const aligned = (one, other) => {
    const [a, b] = [parts(one), parts(new Decimal(other))];
    const exponent = Math.min(a[1], b[1]);
    const scaled = ([coefficient, power]) => coefficient * 10n ** BigInt(power - exponent);
    return [scaled(a), scaled(b), exponent];
  };

  /** What `up` and `down` return that is no item. */
  class Outcome {
    #parts;

    constructor(...parts) {
      this.#parts = parts;
      freeze(this);
    }

    static of(value) {
      return #parts in value ? value.#parts : undefined;
    }
  }

  const outcomeOf = Outcome.of;
  delete Outcome.of;

  const remove = () => new Outcome('remove');

  const skip = (reason) => {
    if (typeof reason !== 'string' || reason === '') {
      throw new Error(`skip(reason) takes a text, and this is ${kindOf(reason)}`);
    }
    return new Outcome('skip', reason);
  };

  const put = (...puts) => {
    if (puts.length === 0) throw new Error('put({ table, item }) takes one or more items');
    for (const one of puts) {
      if (kindOf(one) !== 'an object' || typeof one.table !== 'string' || kindOf(one.item) !== 'an object') {
        throw new Error('put({ table, item }) takes the name of a table and an item, for each that is to be put');
      }
    }
    return new Outcome('put', puts.map(({ table, item }) => [table, item]));
  };

  const kindOf = (value) => {
    if (value === undefined) return 'undefined';
    if (value === null) return 'null';
    const type = typeof value;
    if (type === 'string') return value === '' ? 'an empty text' : 'a text';
    if (type !== 'object') return type === 'function' && /^class\b/.test(`${value}`) ? 'a class' : `a ${type}`;
    if (Array.isArray(value)) return 'an array';
    if (textOf(value) !== undefined) return 'a Decimal';
    if (outcomeOf(value) !== undefined) return 'what remove, skip and put return';
    const prototype = getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return 'an object';
    const name = prototype.constructor?.name;
    return typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an instance of a class';
  };

  /** A value that is no text, boolean, JavaScript number, null or array, as the host takes it. */
  const describe = (value) => {
    if (typeof value === 'bigint') return ['number', `${value}`];
    if (typeof value !== 'object') return ['other', kindOf(value)];
    const digits = textOf(value);
    if (digits !== undefined) return ['number', digits];
    const prototype = getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return ['map'];
    if (value instanceof Uint8Array) return ['bytes', toHex.call(value)];
    if (value instanceof Set) return ['set', [...valuesOfSet.call(value)]];
    return ['other', kindOf(value)];
  };

  /** The value that was sent, once what it holds in the form of texts and arrays is made of them. */
  const unpacked = (sent) => {
    for (const [within, key, from] of sent[1] ?? []) {
      defineProperty(within, key, data(typeof from === 'string' ? new Decimal(from) : new Set(from)));
    }
    return sent[0];
  };

  let calls = 0;

  /** The item of this call: each attribute is converted, and noted as looked at, when the script asks for it. */
  const open = () => {
    const call = ++calls;
    for (const expression of searching) expression.lastIndex = 0;
    const seen = {};
    const gone = new Set();
    let whole = false;
    let changed = false;
    const live = () => {
      if (call !== calls) throw new Error('this item is that of an earlier call: a script keeps none');
    };
    const fetch = (name) => {
      live();
      if (whole || typeof name !== 'string' || hasOwn(seen, name) || gone.has(name)) return;
      const sent = host.read(name);
      if (sent !== undefined) defineProperty(seen, name, data(unpacked(sent)));
    };
    const fetchAll = () => {
      live();
      if (whole) return;
      for (const name of host.names()) fetch(name);
      whole = true;
    };
    const write = (name, descriptor) => {
      if (typeof name !== 'string') throw new Error('the name of an attribute is a text, and this is a symbol');
      live();
      gone.delete(name);
      changed = true;
      return Reflect.defineProperty(seen, name, descriptor);
    };
    const item = new Proxy(seen, {
      get: (_, name) => (fetch(name), seen[name]),
      has: (_, name) => (fetch(name), name in seen),
      set: (_, name, value) => write(name, data(value)),
      defineProperty: (_, name, descriptor) => (fetch(name), write(name, descriptor)),
      deleteProperty: (_, name) => {
        live();
        gone.add(name);
        changed = true;
        return delete seen[name];
      },
      getOwnPropertyDescriptor: (_, name) => (fetch(name), Reflect.getOwnPropertyDescriptor(seen, name)),
      ownKeys: () => (fetchAll(), Reflect.ownKeys(seen)),
      preventExtensions: () => (fetchAll(), Reflect.preventExtensions(seen)),
      setPrototypeOf: () => false,
    });
    return { item, left: () => ['left', seen, [...gone]], hasChanged: () => changed };
  };

  const INSTEAD =
    'return nothing for the item as the function leaves it, an object for how it is to look, or remove(), skip(reason) or put({ table, item })';

  const run = (name, transform) => {
    const { item, left, hasChanged } = open();
    const result = transform(item);
    if (result === undefined || result === item) return left();
    const outcome = result !== null && typeof result === 'object' ? outcomeOf(result) : undefined;
    if (outcome !== undefined) {
      if (outcome[0] !== 'remove' && hasChanged()) {
        throw new Error(
          `${name} changed the item and returned ${outcome[0]}(…), which leaves it as it is; do the one or the other`,
        );
      }
      return outcome;
    }
    if (kindOf(result) === 'an object') return ['whole', result];
    const called = [remove, skip, put].find((one) => one === result);
    const instead = called ? `call it: return ${called.name}(…)` : INSTEAD;
    throw new Error(`${name} returned ${kindOf(result)}; ${instead}`);
  };

  const check = (predicate) => {
    const result = predicate(open().item);
    if (typeof result === 'boolean') return result;
    throw new Error(
      `verify returned ${kindOf(result)}; return true where the item is as it should be, and false or an error where it is not`,
    );
  };

  /** Name, message and stack of what was thrown, whatever it is. */
  const explain = (error) => {
    const text = (value) => (typeof value === 'string' ? value : '');
    // Where there is no memory for an error, the engine throws none.
    if (error === null) return ['InternalError', 'null', ''];
    if (error === undefined || typeof error !== 'object') return ['Error', text(error) || `it threw ${kindOf(error)}`, ''];
    return [text(error.name), text(error.message), text(error.stack)];
  };

  const kindOfFunction = (value) => Object.prototype.toString.call(value).slice('[object '.length, -1);

  /** Regular expressions that outlive a call and know where their last match ended. */
  const searching = [];

  /** Freezes what can be reached from here, so that no call finds what another one has left there. */
  const harden = (root) => {
    const found = new Set();
    const queue = [root];
    while (queue.length > 0) {
      const value = queue.pop();
      if (value === null || (typeof value !== 'object' && typeof value !== 'function') || found.has(value)) continue;
      found.add(value);
      freezeOne(value);
      queue.push(getPrototypeOf(value));
      const descriptors = getOwnPropertyDescriptors(value);
      for (const key of Reflect.ownKeys(descriptors)) {
        const { value, get, set } = descriptors[key];
        queue.push(value, get, set);
      }
    }
  };

  const freezeOne = (value) => {
    // Binary cannot be frozen, and what searches writes down how far it is.
    if (ArrayBuffer.isView(value)) return;
    if (value instanceof RegExp) {
      if (value.global || value.sticky) searching.push(value);
      return;
    }
    for (const [kind, methods] of COLLECTIONS) {
      if (!(value instanceof kind)) continue;
      for (const name of methods) defineProperty(value, name, hidden(refused(name, CONSTANT)));
    }
    freeze(value);
  };

  const CONSTANT = 'what stands outside of the functions stays as it is, so that no item leaves anything to another';
  const COLLECTIONS = [
    [Map, ['set', 'delete', 'clear', 'getOrInsert', 'getOrInsertComputed']],
    [Set, ['add', 'delete', 'clear']],
    [WeakMap, ['set', 'delete', 'getOrInsert', 'getOrInsertComputed']],
    [WeakSet, ['add', 'delete']],
  ];

  /** Makes what a script has bound outside of its functions constant; the names of what is a variable. */
  const settle = (bindings) => {
    const variables = [];
    for (const [name, read, write] of bindings) {
      let value;
      try {
        value = read();
      } catch {
        continue;
      }
      harden(value);
      // A function that is declared could be assigned to as well; nobody does.
      if (typeof value === 'function') continue;
      try {
        write();
        variables.push(name);
      } catch {}
    }
    return variables;
  };

  /** Lets objects have own properties of names that a frozen prototype has, as the `name` of an author's own errors. */
  const letOverride = (prototype) => {
    const descriptors = getOwnPropertyDescriptors(prototype);
    for (const key of Reflect.ownKeys(descriptors)) {
      const { value, configurable, writable } = descriptors[key];
      if (!configurable || !writable) continue;
      const get = () => value;
      const set = function (own) {
        if (this === prototype) throw new Error(`${String(key)} is built in, and what is built in stays as it is`);
        defineProperty(this, key, data(own));
      };
      defineProperty(prototype, key, { get, set, enumerable: false, configurable: true });
    }
  };

  const PURE = 'a migration follows from its item alone';
  const CODE = 'a script makes no code from text';
  const FUNCTIONS = [() => {}, async () => {}, function* () {}, async function* () {}];
  const ITERATORS = [[].values(), new Set().values(), new Map().values(), ''[Symbol.iterator](), 'a'.matchAll(/a/g)];

  const refused = (name, why) => {
    const refuse = function () {
      throw new Error(`${name}: ${why}`);
    };
    return defineProperty(refuse, 'name', { value: name });
  };

  const closeDates = () => {
    const ZONED = /^[+-]?\d{4,6}(-\d\d(-\d\d)?)?$|(Z|[+-]\d\d:?\d\d|GMT|UTC)$/;
    const zoned = (value) => {
      if (typeof value === 'string' && !ZONED.test(value.trim())) {
        throw new Error('a Date from a text without a time zone depends on where it runs; end the text with Z');
      }
      return value;
    };
    function Date(...given) {
      if (new.target === undefined || given.length === 0) {
        throw new Error(`the time of day is not to be had: ${PURE}; give new Date(…) a time`);
      }
      if (given.length > 1) {
        throw new Error('new Date(year, month, …) depends on where it runs; use new Date(Date.UTC(year, month, …))');
      }
      return Reflect.construct(RealDate, [zoned(given[0])], new.target);
    }
    const { prototype } = RealDate;
    defineProperty(Date, 'prototype', hidden(prototype));
    defineProperty(Date, 'UTC', hidden(RealDate.UTC));
    defineProperty(Date, 'parse', hidden((text) => RealDate.parse(zoned(`${text}`))));
    defineProperty(Date, 'now', hidden(refused('Date.now', `${PURE}, whenever it runs`)));
    const local = /^(get|set)(?!UTC|Time$)|^to(Locale|Date|Time)?String$|^toLocale/;
    for (const name of Reflect.ownKeys(prototype)) {
      if (typeof name === 'string' && local.test(name)) {
        const why = 'it depends on the time zone of where it runs; use toISOString, getTime, getUTC… and setUTC…';
        defineProperty(prototype, name, hidden(refused(`Date.prototype.${name}`, why)));
      }
    }
    defineProperty(prototype, 'constructor', hidden(Date));
    globalThis.Date = Date;
  };

  const closeWorld = () => {
    closeDates();
    defineProperty(Math, 'random', hidden(refused('Math.random', PURE)));
    const code = refused('Function', CODE);
    defineProperty(code, 'prototype', { value: Function.prototype });
    for (const one of FUNCTIONS) defineProperty(getPrototypeOf(one), 'constructor', hidden(code));
    globalThis.Function = code;
    globalThis.eval = refused('eval', CODE);
    const log = 'it would show what items hold; tablewright plan --sample shows them before and after';
    const console = {};
    for (const name of ['log', 'debug', 'info', 'warn', 'error', 'trace', 'dir', 'table']) {
      console[name] = refused(`console.${name}`, log);
    }
    globalThis.console = console;
    for (const name of ['Atomics', 'SharedArrayBuffer', 'queueMicrotask', 'performance', 'gc']) delete globalThis[name];
    // `__proto__` is then the name of an attribute like any other.
    delete Object.prototype.__proto__;
  };

  closeWorld();
  const ERRORS = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError];
  for (const { prototype } of [Object, ...ERRORS]) letOverride(prototype);
  globalThis.tablewright = { Decimal, remove, skip, put };
  return {
    run,
    check,
    describe,
    explain,
    kindOf,
    kindOfFunction,
    settle,
    close: () => {
      delete globalThis.tablewright;
      harden([globalThis, Decimal, remove, skip, put, Outcome, FUNCTIONS, ITERATORS]);
    },
  };
};
