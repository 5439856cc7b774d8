// Translates the lines of stdin with a tformer server, in one stream:
//
//   npm ci
//   node translate.mjs 127.0.0.1:50051 de < ../letter.en.txt
//
// With a token in TFORMER_TOKEN it says who it is. The contract is looked for in TFORMER_PROTOS, or
// where it is in a checkout.

import { once } from "node:events";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const [address, target] = process.argv.slice(2);
const google = path.dirname(createRequire(import.meta.url).resolve("google-proto-files/package.json"));
const protos = process.env.TFORMER_PROTOS ?? fileURLToPath(new URL("../../protos", import.meta.url));
const contract = loader.loadSync("v1/translation.proto", {
  includeDirs: [protos, google],
  defaults: true,
});
const { TranslationService } = grpc.loadPackageDefinition(contract).tformer.v1;

const metadata = new grpc.Metadata();
if (process.env.TFORMER_TOKEN) metadata.set("authorization", `Bearer ${process.env.TFORMER_TOKEN}`);

const client = new TranslationService(address, grpc.credentials.createInsecure());
const stream = client.StreamTranslateText(metadata);

stream.on("data", ({ translation }) => {
  console.log(translation.error ? `error: ${translation.error.message}` : translation.translatedText);
});
stream.on("error", (error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
stream.on("end", () => client.close());

// A stream that says it is full is not written to until it has room: a slow server is waited for.
async function send(message) {
  if (!stream.write(message)) await once(stream, "drain");
}

try {
  await send({ config: { targetLanguageCode: target } });
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    await send({ item: { content: line } });
  }
  stream.end();
} catch {
  // What ended the stream has been told above.
}
