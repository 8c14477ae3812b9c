"""decide.py FILE: what Rego answers to each input of each policy in FILE, as lists of booleans in JSON."""

import json
import sys

from regopy import Interpreter

answers = []
for case in json.load(open(sys.argv[1], encoding="utf-8")):
    rego = Interpreter()
    rego.add_module("authz", case["rego"])
    rego.add_data({"federate": case["data"]})
    decisions = []
    for each in case["inputs"]:
        rego.set_input(each)
        output = str(rego.query("x = data.federate.allow"))
        # An older interpreter prints a rule that is false by default as undefined.
        decisions.append(output != "undefined" and json.loads(output)["bindings"]["x"] is True)
    answers.append(decisions)
print(json.dumps(answers))
