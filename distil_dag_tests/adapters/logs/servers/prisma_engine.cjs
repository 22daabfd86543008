#!/usr/bin/env node
// Prisma's own query engine, for the database of a LiteLLM proxy, where its native program can't be downloaded.
//
// The engine is the WebAssembly build inside the package @prisma/client; @prisma/adapter-pg connects it. The
// proxy's client starts a program, asks it over HTTP, and writes GraphQL, which this build does not read: a query
// is translated into the engine's JSON, and its answer back.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
// Packages lie where the client's own command keeps its own.
const need = require("node:module").createRequire(path.join(process.env.PRISMA_BINARY_CACHE_DIR || ".", "/"));

if (process.argv.includes("--version")) {
  console.log("query-engine ac9d7041ed77bcc8a8dbd2ab6616b39013829574");
  process.exit(0);
}

const { parse } = need("graphql");
const glue = need("@prisma/client/runtime/query_engine_bg.postgresql.js");
const { bindAdapter } = need("@prisma/driver-adapter-utils");
const { PrismaPg } = need("@prisma/adapter-pg");
const { Pool } = need("pg");

const TRACE = JSON.stringify({ traceparent: "00-10-10-00" });
const datamodel = fs.readFileSync(process.env.PRISMA_DML_PATH, "utf8");
const address = new URL(process.env.DATABASE_URL);
address.search = ""; // of Prisma's own pool
const pool = new Pool({ connectionString: address.href });
const wasm = need.resolve("@prisma/client/runtime/query_engine_bg.postgresql.wasm");
const program = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(wasm)), {
  "./query_engine_bg.js": glue,
});
glue.__wbg_set_wasm(program.exports);
const engine = new glue.QueryEngine(
  {
    datamodel,
    env: process.env,
    logQueries: false,
    ignoreEnvVarErrors: true,
    datasourceOverrides: {},
    logLevel: "error",
    configDir: ".",
    engineProtocol: "json",
  },
  (said) => console.error(said),
  bindAdapter(new PrismaPg(pool)),
);

// Model -> its fields -> their types.
const models = {};
for (const [, model, body] of datamodel.matchAll(/^model (\w+) \{([^]*?)^\}/gm)) {
  models[model] = Object.fromEntries(
    [...body.matchAll(/^\s+(\w+)\s+(\w+)/gm)].map(([, field, type]) => [field, type]),
  );
}

function argument(node, model, isJson) {
  switch (node.kind) {
    case "ObjectValue":
      return Object.fromEntries(
        node.fields.map(({ name, value }) => {
          const type = (models[model] || {})[name.value];
          const holds = type === undefined ? isJson : type === "Json";
          return [name.value, argument(value, models[type] ? type : model, holds)];
        }),
      );
    case "ListValue":
      return node.values.map((value) => argument(value, model, isJson));
    case "NullValue":
      return null;
    case "IntValue":
      return Number.isSafeInteger(Number(node.value)) ? Number(node.value) : { $type: "BigInt", value: node.value };
    case "FloatValue":
      return Number(node.value);
    case "StringValue":
      return isJson ? { $type: "Json", value: node.value } : node.value;
    default:
      return node.value;
  }
}

function selection(set, model) {
  return Object.fromEntries(
    (set ? set.selections : []).map((field) => [
      field.name.value,
      field.selectionSet ? query(field, (models[model] || {})[field.name.value]) : true,
    ]),
  );
}

function query(field, model) {
  return {
    arguments: Object.fromEntries(
      field.arguments.map(({ name, value }) => [name.value, argument(value, model, false)]),
    ),
    selection: selection(field.selectionSet, model),
  };
}

const ACTION =
  /^(findUnique|findFirst|findMany|createOne|createMany|updateOne|updateMany|upsertOne|deleteOne|deleteMany|aggregate|groupBy|queryRaw|executeRaw)(.*?)(OrThrow)?$/;

function translated(graphql) {
  const field = parse(graphql).definitions[0].selectionSet.selections[0];
  const [, action, model, orThrow] = ACTION.exec(field.name.value);
  return { modelName: model || undefined, action: action + (orThrow || ""), query: query(field, model) };
}

function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  if ("$type" in value) return value.value;
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, plain(held)]));
}

function raw({ columns, types, rows }) {
  const cell = (type, value) => {
    if (value === null) return { prisma__type: "null", prisma__value: null };
    if (!type.endsWith("-array")) return { prisma__type: type, prisma__value: value };
    const inner = type.slice(0, -"-array".length);
    return { prisma__type: "array", prisma__value: value.map((one) => cell(inner, one)) };
  };
  return rows.map((row) => Object.fromEntries(row.map((value, at) => [columns[at], cell(types[at], value)])));
}

function answered({ data, errors }) {
  if (errors) return { errors };
  const [result] = Object.values(data);
  const isRaw = result && typeof result === "object" && "columns" in result && "rows" in result;
  return { data: { result: isRaw ? raw(result) : plain(result) } };
}

async function said(url, body, transaction) {
  const [, place, id, end] = url.split("/");
  if (place === "status") return { status: "ok" };
  if (place === "transaction" && id === "start") {
    return JSON.parse(await engine.startTransaction(JSON.stringify({ max_wait: 2000, timeout: 60000, ...body }), TRACE));
  }
  if (place === "transaction") {
    return JSON.parse(await (end === "commit" ? engine.commitTransaction(id, TRACE) : engine.rollbackTransaction(id, TRACE)));
  }
  if (place) return {};
  const ask = async (asked) => JSON.parse(await engine.query(JSON.stringify(asked), TRACE, transaction));
  if (!body.batch) return answered(await ask(translated(body.query)));
  const batch = body.batch.map((one) => translated(one.query));
  const found = await ask({ batch, transaction: body.transaction && !transaction ? {} : undefined });
  return found.errors ? found : { batchResult: found.batchResult.map(answered) };
}

const server = http.createServer(async (request, response) => {
  let text = "";
  for await (const part of request) text += part;
  let answer;
  try {
    const body = text ? JSON.parse(text) : {};
    answer = await said(request.url, body, request.headers["x-transaction-id"]);
  } catch (error) {
    console.error(text.slice(0, 2000), error);
    answer = { errors: [{ error: String(error), user_facing_error: { error_code: "P2010", message: String(error), meta: {} } }] };
  }
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(answer));
});

const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(), 1000);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit());
engine.connect(TRACE).then(() => server.listen(Number(process.argv[process.argv.indexOf("-p") + 1])));
