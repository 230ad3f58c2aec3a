/** The tasks of terminal-test: files to create, small enough that the shell is all that is tested. */

export type TerminalTask = {
  prompt: string;
  /** Path from the home directory. */
  file: string;
  /** What stands in the file, white space around it aside. */
  expected: string;
};

const countdown = ["5", "4", "3", "2", "1", "liftoff"].join("\n");

export const trainingTasks: readonly TerminalTask[] = [
  {
    prompt: "Write the text `Hello from the loom` to the file ~/greeting.txt.",
    file: "greeting.txt",
    expected: "Hello from the loom",
  },
  {
    prompt: "Create ~/numbers.txt with the numbers 1 to 5, each on a line of its own.",
    file: "numbers.txt",
    expected: ["1", "2", "3", "4", "5"].join("\n"),
  },
  {
    prompt: "Compute 123 + 456 with the shell and put nothing but the result into ~/sum.txt.",
    file: "sum.txt",
    expected: "579",
  },
  {
    prompt: "Make the directory ~/inbox/today and in it a file note.md that says `# Done`.",
    file: "inbox/today/note.md",
    expected: "# Done",
  },
  {
    prompt: "Write a countdown to ~/countdown.txt: 5 down to 1, then the word liftoff, one per line.",
    file: "countdown.txt",
    expected: countdown,
  },
];

export const heldOutTasks: readonly TerminalTask[] = [
  {
    prompt: "Compute 6 times 7 with the shell and put nothing but the result into ~/product.txt.",
    file: "product.txt",
    expected: "42",
  },
  {
    prompt: "Create ~/letters.txt with the letters a, b and c, each on a line of its own.",
    file: "letters.txt",
    expected: ["a", "b", "c"].join("\n"),
  },
];
