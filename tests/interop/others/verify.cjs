// Checks a receipt with @sigstore/verify's checks of checkpoint and inclusion.
//
//     node verify.cjs receipt FILE VKEY
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");

// The package exports whole bundles only; its checks of a checkpoint and of a path are inside.
const tlog = path.join(path.dirname(require.resolve("@sigstore/verify")), "tlog");
const { verifyCheckpoint } = require(path.join(tlog, "checkpoint.js"));
const { verifyMerkleInclusion } = require(path.join(tlog, "merkle.js"));

const SPKI_OF_ED25519 = Buffer.from("302a300506032b6570032100", "hex");

function readKey(vkey) {
  const [name, id, key] = [vkey.split("+", 1)[0], vkey.split("+")[1], vkey.split("+").slice(2).join("+")];
  const spki = Buffer.concat([SPKI_OF_ED25519, Buffer.from(key, "base64").subarray(1)]);
  const publicKey = crypto.createPublicKey({ key: spki, format: "der", type: "spki" });
  return { baseURL: name, logID: Buffer.from(id, "hex"), publicKey };
}

function readReceipt(data) {
  const at = data.indexOf("\n\n");
  const [first, extra, index, ...hashes] = data.slice(0, at).split("\n");
  const packed = Buffer.from(extra.slice("extra ".length), "base64");
  if (first !== "c2sp.org/tlog-proof@v1" || ![0x91, 0x93].includes(packed[0]) || packed[1] !== 0xc4) {
    throw new Error("no tlog-proof with an entry");
  }
  return {
    canonicalizedBody: packed.subarray(3, 3 + packed[2]),
    inclusionProof: {
      logIndex: index.slice("index ".length),
      hashes: hashes.map((line) => Buffer.from(line, "base64")),
      checkpoint: { envelope: data.slice(at + 2) },
    },
  };
}

const [what, file, vkey] = process.argv.slice(2);
try {
  if (what !== "receipt") throw new Error("only receipts are checked");
  const entry = readReceipt(fs.readFileSync(file, "utf8"));
  const key = readKey(vkey);
  const checkpoint = verifyCheckpoint(entry, [key]);
  if (checkpoint.origin !== key.baseURL) throw new Error("a checkpoint of another log");
  verifyMerkleInclusion(entry, checkpoint);
} catch (error) {
  console.error("refused:", error.message);
  process.exit(1);
}
console.log("holds");
