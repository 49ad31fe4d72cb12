// The page of `cenet app`: images in, masks out, corrections kept. It asks the server that it came from, and nobody else.

import { download, nameApart, pack, stem } from './downloads.js';
import { Correction, countPixels, decodeClasses, encodeClasses } from './masks.js';
import { describeMeasurements, describePixelSize, formatCsv } from './measurements.js';
import { MAPS, Viewer, overlayMask } from './viewer.js';

const $ = id => document.getElementById(id);
const items = [];
let models = [], current = null, busy = false, packing = false;

history.replaceState(null, '', '/'); // the token that was in the address stays in a cookie

const viewer = new Viewer($('canvas'), {
  onStroke: refresh,
  onSize: step => { $('size').value = Number($('size').value) + step; $('size').dispatchEvent(new Event('input')); },
});

/** What the server answers; a refusal becomes an error with its reason. */
async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error('cenet does not answer; is it still running in its terminal?');
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail ?? `the server answered ${answer.status}`), { type: problem.type });
}

const modelOf = name => models.find(model => model.name === name);
const colourOf = colour => [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
const announce = text => { $('announce').textContent = text; };

function picture(base64) {
  const image = new Image();
  image.src = `data:image/png;base64,${base64}`;
  return image.decode().then(() => image);
}

// ---------------------------------------------------------------------------------------------------------------------
// Predict

function add(files) {
  for (const file of files) items.push({ file, name: file.name, state: 'waits', model: $('model').value });
  list();
  predictNext();
}

async function predictNext() {
  const item = items.find(each => each.state === 'waits');
  if (busy || !item) return;
  busy = true;
  item.state = 'is predicted';
  announce(`${item.name} is predicted`);
  list();
  try {
    await predict(item);
    item.state = 'ready';
    announce(`${item.name} is ready`);
  } catch (error) {
    item.state = 'failed';
    item.error = error.message;
    announce(`${item.name} failed: ${error.message}`);
  }
  if (items.includes(item) && (current === item || !current?.correction)) select(item); else list();
  if (item.state === 'ready' && items.includes(item) && $('measure-each').checked) await measure(item);
  busy = false;
  predictNext();
}

async function askPrediction(item, uncertainty = false) {
  const form = new FormData();
  form.append('image', item.file);
  const query = new URLSearchParams({ model: item.model, uncertainty });
  return (await ask(`/page/predict?${query}`, { method: 'POST', body: form })).json();
}

async function predict(item) {
  const answer = await askPrediction(item), maps = {};
  for (const map of MAPS) if (answer[map]) maps[map] = await picture(answer[map]);
  const image = await picture(answer.preview), predicted = decodeClasses(answer.classes, answer.width, answer.height);
  Object.assign(item, {
    id: answer.id, width: answer.width, height: answer.height, notes: answer.notes, version: answer.version, png: answer.mask, image, maps,
    expectedDice: answer.expected_dice, isDicom: answer.is_dicom, measured: null, measureError: '', colours: modelOf(item.model).colours.map(colourOf), correction: new Correction(predicted, answer.width, answer.height), saved: '',
  });
}

/** Predict the image once more, in all its flips and turns, for the map of its uncertainty. */
async function estimateUncertainty() {
  const item = current, { correction } = item;
  item.estimating = true;
  showMaps(item);
  announce(`The uncertainty of ${item.name} is estimated.`);
  try {
    const map = await picture((await askPrediction(item, true)).uncertainty);
    if (item.correction === correction) item.maps.uncertainty = map;
    announce(`The uncertainty of ${item.name} is estimated: ready.`);
  } catch (error) {
    announce(`The uncertainty of ${item.name} was not estimated: ${error.message}`);
  }
  item.estimating = false;
  if (current !== item || item.correction !== correction) return;
  showMaps(item);
  if (!item.maps.uncertainty) return;
  viewer.paintMap('uncertainty');
  choose('layer', 'uncertainty');
}

function showMaps(item) {
  for (const map of MAPS) document.querySelector(`[name=layer][value=${map}]`).parentElement.hidden = !item.maps[map];
  $('estimate').hidden = Boolean(item.maps.uncertainty);
  $('estimate').disabled = Boolean(item.estimating);
}

/** Measure the mask of an image as it is now. */
async function measure(item) {
  const { correction } = item, { version, changed } = correction;
  const content = { pixel_size: $('pixel-size').value, corrected: changed ? describe(correction.mask, item) : null };
  Object.assign(item, { measuring: true, measureError: '' });
  refresh();
  try {
    const measured = await askMeasurements(item, content);
    if (item.correction === correction) item.measured = { ...measured, version };
  } catch (error) {
    item.measureError = `Not measured: ${error.message}`;
  }
  item.measuring = false;
  refresh();
}

async function askMeasurements(item, content) {
  const send = () => {
    const form = new FormData();
    form.append('measure', new Blob([JSON.stringify({ id: item.id, ...content })], { type: 'application/json' }), 'measure.json');
    return ask('/page/measure', { method: 'POST', body: form });
  };
  try {
    return await (await send()).json();
  } catch (error) {
    if (!error.type?.endsWith(':prediction-gone')) throw error;
    item.id = (await askPrediction(item)).id; // the server keeps the latest predictions alone
    return (await send()).json();
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Show

function list() {
  $('list').replaceChildren(...items.map(item => {
    const row = document.createElement('li'), button = document.createElement('button'), state = document.createElement('small');
    button.type = 'button';
    button.textContent = item.name;
    button.setAttribute('aria-current', item === current);
    state.textContent = item.state === 'failed' ? `failed: ${item.error}` : item.notes?.length ? 'ready, with a note' : item.state;
    if (item.saved) state.textContent += ', saved';
    state.classList.toggle('warn', item.state === 'failed' || Boolean(item.notes?.length));
    button.append(state);
    button.addEventListener('click', () => select(item));
    row.append(button);
    return row;
  }));
  $('remove').disabled = !current || current.state === 'is predicted';
  $('csv').disabled = !items.some(item => item.correction);
  $('all').disabled = $('csv').disabled || packing;
}

function select(item) {
  current = item;
  const ready = Boolean(item?.correction);
  $('editor').hidden = !ready;
  $('empty').hidden = ready;
  $('empty').classList.toggle('failed', item?.state === 'failed');
  $('empty').textContent = !item ? 'No image yet.' : item.state === 'failed' ? `${item.name}: ${item.error}` : `${item.name} ${item.state}.`;
  if (ready) {
    $('name').textContent = `${item.name} (${item.width} × ${item.height}, ${item.model}${item.version ? ` ${item.version}` : ''})`;
    $('notes').replaceChildren(...item.notes.map(note => Object.assign(document.createElement('li'), { textContent: note })));
    $('expected').textContent = `Expected Dice ${item.expectedDice.toFixed(2)}, from the probabilities alone`
      + `${item.notes.length ? '; see the note above before trusting it' : ''}.`;
    $('dicom').hidden = !item.isDicom;
    showMaps(item);
    const classes = modelOf(item.model).classes;
    $('class').replaceChildren(...classes.map((name, at) => new Option(name, at + 1)));
    $('class-label').hidden = classes.length < 2;
    viewer.value = 1;
    viewer.show(item);
    choose('layer', viewer.layer);
  }
  refresh();
}

function refresh() {
  list();
  if (!current?.correction) return;
  const { correction, model } = current, now = countPixels(correction.mask), before = countPixels(correction.predicted);
  $('undo').disabled = !correction.strokes.length;
  $('redo').disabled = !correction.undone.length;
  $('save').disabled = !correction.unsaved;
  $('saved').textContent = current.saved;
  $('numbers').replaceChildren(...modelOf(model).classes.map((name, at) => {
    const row = document.createElement('tr'), swatch = document.createElement('span'), head = document.createElement('td');
    swatch.className = 'swatch';
    swatch.style.background = modelOf(model).colours[at];
    head.append(swatch, name);
    const share = `${(100 * now[at + 1] / correction.mask.length).toFixed(2)} %`;
    row.append(head, ...[now[at + 1], share, before[at + 1]].map(value => Object.assign(document.createElement('td'), { textContent: value })));
    return row;
  }));
  showMeasurements(current);
}

function showMeasurements({ measured, measuring, measureError, correction }) {
  const rows = measured ? describeMeasurements(measured.values) : [];
  $('measurements').hidden = !rows.length;
  $('measurements').tBodies[0].replaceChildren(...rows.map(cells => {
    const row = document.createElement('tr');
    row.append(...cells.map(text => Object.assign(document.createElement('td'), { textContent: text })));
    return row;
  }));
  const isOld = measured && measured.version !== correction.version;
  const remarks = measured ? [describePixelSize(measured.pixel_um)] : [];
  if (rows.some(([, , range]) => range)) remarks.push('The range is that of masks for which the odds of every pixel are three times lower or higher.');
  if (isOld) remarks.push('The mask was changed after it was measured.');
  $('measured').textContent = measuring ? 'Measuring ...' : measureError || remarks.join(' ');
  $('measured').classList.toggle('failed', Boolean(measureError || isOld));
  $('measure').disabled = Boolean(measuring);
  $('measure').textContent = measured ? 'Measure again' : 'Measure';
}

// ---------------------------------------------------------------------------------------------------------------------
// Keep

const describe = (mask, item) => encodeClasses(mask, item.width, item.height, modelOf(item.model).classes.map((_, at) => at + 1));

function correctionFile(item) {
  const content = { model: item.model, name: item.name, predicted: describe(item.correction.predicted, item), corrected: describe(item.correction.mask, item) };
  return new Blob([JSON.stringify(content)], { type: 'application/json' });
}

async function save() {
  const item = current, form = new FormData();
  form.append('image', item.file);
  form.append('correction', correctionFile(item), 'correction.json');
  const { version } = item.correction;
  item.saved = $('saved').textContent = 'Saving ...';
  $('save').disabled = true;
  try {
    const { folder, image } = await (await ask('/page/corrections', { method: 'POST', body: form })).json();
    item.correction.savedVersion = version;
    item.saved = `Saved as ${image} in ${folder}.`;
  } catch (error) {
    item.saved = `Not saved: ${error.message}`;
  }
  refresh();
}

async function encodeMask(item) {
  if (!item.correction.changed) return new Blob([Uint8Array.from(atob(item.png), letter => letter.charCodeAt(0))], { type: 'image/png' });
  const form = new FormData();
  form.append('correction', correctionFile(item), 'correction.json');
  return (await ask('/page/mask', { method: 'POST', body: form })).blob();
}

async function encodeSegmentation(item) {
  const form = new FormData();
  form.append('image', item.file);
  form.append('correction', correctionFile(item), 'correction.json');
  return (await ask('/page/dicom-seg', { method: 'POST', body: form })).blob();
}

/** A row of the table: its columns are those of `cenet predict --measure`, and what was corrected. */
function describeRow(item) {
  const { correction, measured, model } = item, counts = countPixels(correction.mask);
  const row = { image: item.name, model, version: item.version, width_px: item.width, height_px: item.height };
  modelOf(model).classes.forEach((name, at) => { row[`pixels_${name.replaceAll(' ', '_')}`] = counts[at + 1]; });
  return {
    ...row, corrected_pixels: correction.countChanged(), expected_dice_ratio: item.expectedDice, notes: item.notes.join('; '),
    values: measured?.version === correction.version ? measured.values : {},
  };
}

const tableOf = rows => new Blob([formatCsv(rows)], { type: 'text/csv' });

/** The files of all images that have a mask, one after the other, and their table in the end. */
async function* listFiles(ready) {
  const stems = nameApart(ready.map(item => item.name)), rows = [];
  for (const [at, item] of ready.entries()) {
    if (!item.correction) continue; // another model was chosen meanwhile
    const name = `${stems[at]}_mask.png`;
    rows.push({ file: name, ...describeRow(item) });
    const mask = encodeMask(item), overlay = overlayMask(item, viewer.opacity); // both of the mask as it is now
    yield { name, input: await mask };
    yield { name: `${stems[at]}_overlay.png`, input: await overlay };
  }
  yield { name: 'cenet.csv', input: tableOf(rows) };
}

/** Save what a promise gives, and say where it fails. */
async function keep(file, name) {
  try {
    download(await file, name);
    return true;
  } catch (error) {
    announce(`${name} was not made: ${error.message}`);
    return false;
  }
}

async function downloadAll() {
  const ready = items.filter(item => item.correction);
  packing = true;
  list();
  announce('cenet.zip is made.');
  if (await keep(pack(listFiles(ready)), 'cenet.zip')) {
    announce(`cenet.zip has the masks of ${ready.length} of ${items.length} ${items.length === 1 ? 'image' : 'images'}.`);
  }
  packing = false;
  list();
}

// ---------------------------------------------------------------------------------------------------------------------
// Controls

function choose(name, value) {
  document.querySelector(`input[name=${name}][value=${value}]`).checked = true;
  viewer[name] = value;
  $('scale').hidden = !MAPS.includes(viewer.layer);
  $('canvas').classList.toggle('brush', viewer.tool !== 'move');
  viewer.draw();
}

function undo(kind) {
  if (!current?.correction) return;
  current.correction[kind]();
  viewer.paintMask();
  viewer.draw();
  refresh();
}

for (const name of ['layer', 'tool']) {
  for (const input of document.querySelectorAll(`input[name=${name}]`)) input.addEventListener('change', () => choose(name, input.value));
}
$('files').addEventListener('change', event => { add(event.target.files); event.target.value = ''; });
$('model').addEventListener('change', () => {
  for (const item of items) {
    if (item.correction?.changed || item.state === 'is predicted') continue; // what was corrected stays as it is
    Object.assign(item, { state: 'waits', model: $('model').value, correction: null, measured: null, saved: '', notes: [] });
  }
  select(current);
  predictNext();
});
$('opacity').addEventListener('input', event => { viewer.opacity = event.target.value / 100; viewer.draw(); });
$('size').addEventListener('input', event => { viewer.size = Number(event.target.value); $('size-value').textContent = `${viewer.size} px`; viewer.draw(); });
$('class').addEventListener('change', event => { viewer.value = Number(event.target.value); });
$('zoom-in').addEventListener('click', () => viewer.zoom(1.4));
$('zoom-out').addEventListener('click', () => viewer.zoom(1 / 1.4));
$('fit').addEventListener('click', () => viewer.fit());
$('undo').addEventListener('click', () => undo('undo'));
$('redo').addEventListener('click', () => undo('redo'));
$('save').addEventListener('click', save);
$('mask').addEventListener('click', () => keep(encodeMask(current), `${stem(current.name)}_mask.png`));
$('dicom').addEventListener('click', () => keep(encodeSegmentation(current), `${stem(current.name)}_seg.dcm`));
$('overlay').addEventListener('click', () => keep(viewer.overlay(), `${stem(current.name)}_overlay.png`));
$('csv').addEventListener('click', () => download(tableOf(items.filter(item => item.correction).map(describeRow)), 'cenet.csv'));
$('all').addEventListener('click', downloadAll);
$('measure').addEventListener('click', () => measure(current));
$('estimate').addEventListener('click', estimateUncertainty);
$('remove').addEventListener('click', () => {
  items.splice(items.indexOf(current), 1);
  select(items.find(item => item.correction) ?? null);
});
$('canvas').addEventListener('keydown', event => {
  const tool = { v: 'move', b: 'add', e: 'erase' }[event.key];
  if ((event.ctrlKey || event.metaKey) && event.key === 'z') undo('undo');
  else if ((event.ctrlKey || event.metaKey) && event.key === 'y') undo('redo');
  else if (tool && !event.ctrlKey && !event.metaKey && !event.altKey) choose('tool', tool);
  else return;
  event.preventDefault();
});
addEventListener('dragover', event => { event.preventDefault(); document.body.classList.add('dropping'); });
addEventListener('dragleave', event => { if (!event.relatedTarget) document.body.classList.remove('dropping'); });
addEventListener('drop', event => {
  event.preventDefault();
  document.body.classList.remove('dropping');
  add(event.dataTransfer.files);
});
addEventListener('beforeunload', event => {
  if (items.some(item => item.correction?.unsaved)) event.preventDefault();
});

try {
  ({ models } = await (await ask('/v1/models')).json());
  $('model').replaceChildren(...models.map(model => new Option(`${model.name}${model.title ? `: ${model.title}` : ''}`, model.name)));
} catch (error) {
  announce(error.message);
}
