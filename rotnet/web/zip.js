// A zip archive of files as they are: pictures are compressed already.

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

function checksum(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

// fields: [bytes, value] pairs, little-endian
function record(fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return view.buffer;
}

// entries: [{ name, bytes: Uint8Array }], names all different
export function zip(entries) {
  const parts = [], directory = [];
  let offset = 0, directorySize = 0;
  for (const { name, bytes } of entries) {
    const title = new TextEncoder().encode(name);
    const day = [2, 0x0021]; // 1 January 1980, for the time is not known
    // version, names in UTF-8, stored, time, day, checksum, sizes, lengths of the name and of nothing
    const common = [[2, 20], [2, 0x0800], [2, 0], [2, 0], day, [4, checksum(bytes)], [4, bytes.length], [4, bytes.length], [2, title.length], [2, 0]];
    const local = record([[4, 0x04034b50], ...common]);
    const central = record([[4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]);
    parts.push(local, title, bytes);
    directory.push(central, title);
    offset += local.byteLength + title.length + bytes.length;
    directorySize += central.byteLength + title.length;
  }
  const end = record([[4, 0x06054b50], [2, 0], [2, 0], [2, entries.length], [2, entries.length], [4, directorySize], [4, offset], [2, 0]]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
