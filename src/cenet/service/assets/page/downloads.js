// Files that the page saves.

import { downloadZip } from '/assets/client-zip/index.js';

/** Save a file where the browser saves files. */
export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The name of a file without its ending. */
export const stem = name => name.replace(/\.[^.]*$/, '') || name;

/** Names without their endings, as they can stand in every file system; what would be equal gets a number. */
export function nameApart(names) {
  const used = new Set();
  return names.map(name => {
    const plain = stem(name).replace(/[\\/:*?"<>|\p{Cc}]/gu, '_');
    let free = plain;
    for (let number = 2; used.has(free.toLowerCase()); number++) free = `${plain}-${number}`;
    used.add(free.toLowerCase());
    return free;
  });
}

/** One ZIP of several files, each with its name and its content. */
export const pack = files => downloadZip(files).blob();
