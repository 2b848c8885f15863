#!/usr/bin/env python3
"""Runs in llama.cpp what was made of checkpoints although something was wrong with them.

    pip install gguf llama-cpp-python torch transformers safetensors
    OLLAMAKE_KEEP_MUTANTS=DIRECTORY OLLAMAKE_MUTATIONS=400 cargo test --test integration convert::mutations
    damaged_in_llama_cpp.py DIRECTORY

The test of mutations writes into the DIRECTORY what it accepts: a file for each different model or projector, and in
`made.tsv` what each was made of, the whole checkpoint among it. Every model is loaded and computes, every projector is loaded
with the model of the whole checkpoint. What llama.cpp does not do with the whole checkpoint's files is not asked of the
others. It fails if llama.cpp refuses one or ends the process.
"""

import collections
import pathlib
import sys

from run_by_llama_cpp import apart, run

def problem_with(model, projector=None):
    """Why llama.cpp does not run it, or nothing."""
    def attempt():
        run(model, projector)
        return None, True

    return apart(attempt)[0]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    directory = pathlib.Path(sys.argv[1])
    made = collections.defaultdict(list)
    for line in (directory / "made.tsv").read_text().splitlines():
        name, what = line.split("\t", 1)
        case, _, kind, _ = name.rsplit(".", 3)
        made[case, kind, name].append(what)
    models = {case: directory / name for (case, kind, name), what in made.items() if kind == "model" and "whole" in what}

    def problem_of(case, kind, name):
        path = directory / name
        return problem_with(path) if kind == "model" else problem_with(models[case], path)

    # What llama.cpp does not do with the whole is not asked of the rest.
    unable = {key[:2] for key, what in made.items() if "whole" in what and problem_of(*key)}
    counts = collections.Counter()
    for (case, kind, name), what in sorted(made.items()):
        if (case, kind) in unable or case not in models:
            counts["not run when whole"] += 1
            continue
        problem = problem_of(case, kind, name)
        counts["bad" if problem else "good"] += 1
        if problem:
            print(f"BAD {case}, {kind}: {'; '.join(what[:3])}: {problem}", flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    sys.exit(1 if counts["bad"] else 0)


if __name__ == "__main__":
    main()
