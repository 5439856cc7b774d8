// Translates the lines of stdin with a tformer server, in one stream:
//
//   npm install @grpc/grpc-js @grpc/proto-loader google-proto-files
//   TFORMER_PROTOS=../../protos node translate.mjs 127.0.0.1:50051 de < letter.txt
//
// With a token in TFORMER_TOKEN it says who it is.

import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const [address, target] = process.argv.slice(2);
const google = path.dirname(createRequire(import.meta.url).resolve("google-proto-files/package.json"));
const contract = loader.loadSync("v1/translation.proto", {
  includeDirs: [process.env.TFORMER_PROTOS, google],
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

stream.write({ config: { targetLanguageCode: target } });
for await (const line of readline.createInterface({ input: process.stdin })) {
  stream.write({ item: { content: line } });
}
stream.end();
