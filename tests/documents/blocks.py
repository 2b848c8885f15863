"""The examples of a page: its fenced blocks, with what comments before them say."""

import re
from dataclasses import dataclass, field
from pathlib import Path

# Languages whose blocks are run. Blocks of others are to be read; those with a file's name are written.
RUN = {"sh", "python", "js"}

FENCE = re.compile(r"^```(?P<language>[\w-]*)$")
COMMENT = re.compile(r"^<!-- (?P<word>not run|before|file|fails)(: (?P<value>.*))? -->$")


@dataclass
class Block:
    """A fenced block."""

    line: int
    language: str
    text: str = ""
    # Why it is not run.
    not_run: str | None = None
    # Commands that prepare what the page takes for granted.
    before: list[str] = field(default_factory=list)
    # The file that the block shows.
    file: str | None = None
    # It shows what an error looks like.
    fails: bool = False
    # The lines that the page says are printed.
    expected: list[str] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        return self.language in RUN or self.file is not None

    def commands(self) -> str:
        """The block as commands of a shell."""
        before = "".join(command + "\n" for command in self.before)
        document = f"<<'END OF BLOCK'\n{self.text}END OF BLOCK\n"
        if self.file:
            return f"{before}mkdir -p \"$(dirname '{self.file}')\"\ncat >'{self.file}' {document}"
        if self.language == "python":
            return f"{before}\"$CLIENTS/venv/bin/python\" - {document}"
        if self.language == "js":
            # Packages are looked for from the place of the program on.
            program = '"$CLIENTS/npm/example.mjs"'
            return f"{before}cat >{program} {document}node {program}\n"
        if self.fails:
            return f"{before}set +e\n(set -e\n{self.text})\nfailed=$?\nset -e\n[ $failed != 0 ]\n"
        return before + self.text


def unlike(output: str, expected: list[str]) -> str | None:
    """The first expected line that no line of the output is like, in order. `…` stands for anything."""
    lines = iter([" ".join(line.split()) for line in output.splitlines()])
    for wanted in expected:
        parts = re.split(r" ?… ?", " ".join(wanted.split()))
        pattern = re.compile(".*".join(map(re.escape, parts)))
        if not any(pattern.fullmatch(line) for line in lines):
            return wanted
    return None


def blocks(path: Path) -> list[Block]:
    """All fenced blocks of a page. A `text` block right after one that runs is what that prints."""
    found: list[Block] = []
    comments: list[tuple[str, str]] = []
    block = None
    adjoins = False
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if block is not None:
            if line != "```":
                block.text += line + "\n"
                continue
            if block.language == "text" and adjoins and found and found[-1].runs:
                found[-1].expected = [line for line in block.text.splitlines() if line.strip() not in {"", "…"}]
            found.append(block)
            block, adjoins = None, True
        elif fence := FENCE.match(line):
            block = Block(number, fence["language"])
            for word, value in comments:
                match word:
                    case "not run":
                        block.not_run = value
                    case "before":
                        block.before.append(value)
                    case "file":
                        block.file = value
                    case "fails":
                        block.fails = True
            comments = []
        elif comment := COMMENT.match(line):
            comments.append((comment["word"], comment["value"]))
        elif line.lstrip().startswith("```"):
            raise ValueError(f"{path}:{number}: a fence that is not understood")
        elif line.strip():
            adjoins = False
            if comments:
                raise ValueError(f"{path}:{number}: a comment about a block, and no block")
    return found
