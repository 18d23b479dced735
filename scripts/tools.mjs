// What setup.mjs needs to know about the machine: is it there, and if not, what to install.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** A failure whose message already says what to do. */
export class Advice extends Error {}

/** `floor` as in package.json's `engines`: `>=20.19`. */
export function requireNode(floor) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [leastMajor, leastMinor] = floor.replace('>=', '').split('.').map(Number);
  if (process.platform !== 'linux') throw new Advice('overlane runs on Linux');
  if (major < leastMajor || (major === leastMajor && minor < leastMinor)) {
    throw new Advice(`overlane needs Node ${floor}, this is ${process.version}; newer ones: https://nodejs.org/`);
  }
}

/** Whether a program starts and ends with status 0. */
export function works(program, args, input) {
  return spawnSync(program, args, { input, stdio: ['pipe', 'ignore', 'ignore'], timeout: 30_000 }).status === 0;
}

/** Says which package to install before node-gyp fails in its own words. */
export function requireTools() {
  const compiler = (process.env.CXX || 'g++').split(' ');
  const missing = [];
  if (![process.env.PYTHON, 'python3', 'python'].some((name) => name && works(name, ['--version'])))
    missing.push('python3');
  if (!works(process.env.MAKE || 'make', ['--version'])) missing.push('make');
  if (!works(compiler[0], ['--version'])) missing.push('g++');
  if (missing.length > 0) {
    throw new Advice(`native code needs ${missing.join(', ')}: apt-get install ${missing.join(' ')}`);
  }
  const sample =
    '#include <bit>\n#include <concepts>\n#include <span>\nstatic_assert(std::endian::native != std::endian::big);\n';
  if (!works(compiler[0], [...compiler.slice(1), '-std=gnu++20', '-fsyntax-only', '-x', 'c++', '-'], sample)) {
    throw new Advice(
      `${compiler[0]} does not compile C++20: g++ 11 or clang 14 and newer do. ` +
        'Install one (apt-get install g++), or name it: CXX=g++-12 CC=gcc-12 npm run setup',
    );
  }
}

/** cap needs libpcap's header. */
export function hasPcapHeader() {
  const folders = ['/usr/include', '/usr/local/include', ...(process.env.CPATH ?? '').split(':')];
  return folders.some((folder) => folder && fs.existsSync(path.join(folder, 'pcap.h')));
}

/** The headers that this very Node brought along, so that node-gyp need not download them. */
export function nodedir() {
  const prefix = path.resolve(fs.realpathSync(process.execPath), '../..');
  const header = path.join(prefix, 'include/node/node_version.h');
  if (!fs.existsSync(header)) return [];
  const text = fs.readFileSync(header, 'utf8');
  const number = (part) => new RegExp(`define NODE_${part}_VERSION (\\d+)`).exec(text)?.[1];
  const version = ['MAJOR', 'MINOR', 'PATCH'].map(number).join('.');
  return version === process.versions.node ? [`--nodedir=${prefix}`] : [];
}
