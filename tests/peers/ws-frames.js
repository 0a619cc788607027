// The frames of chapter 13 by a receiver that must not wait: it is called with whatever arrives.
let rest = Buffer.alloc(0);

function* receive(bytes) {
  rest = Buffer.concat([rest, bytes]);
  while (rest.length >= 2) {
    const length = rest[1] & 0x7f;
    if (length > 125) throw new Error("the longer lengths are left out here");
    const start = rest[1] & 0x80 ? 6 : 2;
    if (rest.length < start + length) return;
    const key = rest.subarray(2, start); // empty if there is no mask
    yield rest.subarray(start, start + length).map((byte, i) => byte ^ (key[i % 4] ?? 0));
    rest = rest.subarray(start + length);
  }
}

// "Hello" without a mask, and "Hello" masked, in three pieces.
for (const piece of ["81 05 48 65", "6c 6c 6f 81 85 37", "fa 21 3d 7f 9f 4d 51 58"]) {
  const payloads = [...receive(Buffer.from(piece.replaceAll(" ", ""), "hex"))];
  console.log(piece, payloads.map(String));
}
