/** Apptainer's container.def as the Dockerfile of the same image, so that the docker backend can build it. */
export type ContainerDefinition = {
  dockerfile: string;
  /** The script of %post, which the Dockerfile runs from its folder. */
  post: string;
  /** Files of %files, by their path beside the definition. */
  files: readonly { source: string; target: string }[];
};

/** Throws a RangeError where it isn't made from a Docker image. */
export function readContainerDefinition(text: string): ContainerDefinition {
  const header = (name: string) => new RegExp(`^${name}\\s*:\\s*(\\S+)`, "im").exec(text)?.[1];
  const from = header("From");
  const bootstrap = header("Bootstrap");
  if (from === undefined || bootstrap?.toLowerCase() !== "docker") {
    throw new RangeError(
      `expected "Bootstrap: docker" and "From: <image>", got Bootstrap ${bootstrap ?? "(none)"}, From ${from ?? "(none)"}`,
    );
  }
  const files = section(text, "files")
    .split("\n")
    .flatMap((line) => {
      const [source, target = source] = line.trim().split(/\s+/);
      return source && target && !source.startsWith("#")
        ? [{ source, target: target.startsWith("/") ? target : `/${target}` }]
        : [];
    });
  const variables = [...section(text, "environment").matchAll(/^\s*export\s+([A-Za-z_]\w*)=(.*)$/gm)].map(
    ([, name, value = ""]) =>
      `ENV ${name}=${/^\s*"|^\s*'/.test(value) ? value.trim() : JSON.stringify(value.trim())}`,
  );
  return {
    post: `set -e\n${section(text, "post")}\n`,
    files,
    dockerfile: [
      `FROM ${from}`,
      ...files.map(({ source, target }) => `COPY ${JSON.stringify([source, target])}`),
      "COPY post.sh /tmp/post.sh",
      "RUN sh /tmp/post.sh && rm /tmp/post.sh",
      ...variables,
      "",
    ].join("\n"),
  };
}

/** What stands below `%name`, up to the next section. */
function section(text: string, name: string): string {
  return (
    new RegExp(`^%${name}\\b[^\\n]*\\n([\\s\\S]*?)(?=^%\\w|(?![\\s\\S]))`, "m").exec(text)?.[1]?.trimEnd() ??
    ""
  );
}
