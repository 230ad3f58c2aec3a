/** A process of its own that wants an image: prints its path, or what went wrong. */
import { ImageCache } from "../../../backends/singularity/image-cache.ts";

const [program = "", directory = "", image = ""] = process.argv.slice(2);
const signal = new AbortController().signal;
const cache = new ImageCache({ program, directory, timeoutMs: 60_000, onNotice: () => {}, closing: signal });
const answer = await cache.open(image, signal).catch((error: unknown) => String(error));
process.stdout.write(answer);
