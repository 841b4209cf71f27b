"""Tests of same_template.py: it sees each difference, and takes only the pairs in its list for the same."""

import json
import unittest

from same_template import Unreadable, compare, read


def wrap(value):
    """Returns a template with a value in a property, as JSON."""
    return json.dumps({"Resources": {"A": {"Type": "Custom::T", "Properties": {"P": value}}}})


class SameTemplate(unittest.TestCase):
    """Pairs of templates."""

    def assert_same(self, left, right):
        self.assertEqual(compare(left, right), [], (left, right))

    def assert_differs(self, left, right):
        self.assertNotEqual(compare(left, right), [], (left, right))

    def test_forms_of_functions(self):
        yaml = "Resources:\n  A:\n    Type: Custom::T\n    Properties:\n      P: "
        for short, long in [
            ("!Ref B", {"Ref": "B"}),
            ("!GetAtt B.C.D", {"Fn::GetAtt": ["B", "C.D"]}),
            ("!GetAtt [B, C]", {"Fn::GetAtt": "B.C"}),
            ("!Sub '${B}x'", {"Fn::Sub": "${B}x"}),
            ("!Sub ['${B}x', {}]", {"Fn::Sub": "${B}x"}),
            ("!Sub plain", "plain"),
            ("!Sub '${!x}'", "${x}"),
            ("!Join ['', [a, !Ref B]]", {"Fn::Join": ["", ["a", {"Ref": "B"}]]}),
            ("!GetAZs ''", {"Fn::GetAZs": None}),
        ]:
            self.assert_same(yaml + short, wrap(long))
        self.assert_differs(yaml + "!Ref B", wrap({"Ref": "C"}))
        self.assert_differs(yaml + "!Sub '${B}'", wrap({"Fn::Sub": "${!B}"}))
        self.assert_differs(yaml + "!Sub '${B}'", wrap("${B}"))
        self.assert_differs(yaml + "!GetAtt B.C", wrap({"Fn::GetAtt": ["B", "D"]}))

    def test_single_values(self):
        self.assert_same(wrap(5), wrap("5"))
        self.assert_same(wrap(True), wrap("true"))
        self.assert_differs(wrap(5), wrap("5.0"))
        self.assert_differs(wrap(True), wrap("True"))
        self.assert_differs(wrap("a"), wrap("a "))
        self.assert_differs(wrap(""), wrap(None))
        # A document of JSON, and metadata, keep their types.
        self.assert_differs(wrap({"EventPattern": {"a": [5]}}), wrap({"EventPattern": {"a": ["5"]}}))
        metadata = '{"Resources": {"A": {"Type": "T", "Metadata": {"a": %s}}}}'
        self.assert_differs(metadata % "5", metadata % '"5"')
        self.assert_differs(metadata % "true", metadata % '"true"')
        self.assert_differs("Resources: {}\nMetadata: { a: True }\n", "Resources: {}\nMetadata: { a: true }\n")
        self.assert_same("Resources: {}\nMetadata: { a: True }\n", "Resources: {}\nMetadata: { a: 'True' }\n")
        self.assert_same("Resources: {}\nParameters: { A: { Default: True } }\n", "Resources: {}\nParameters: { A: { Default: 'True' } }\n")
        self.assert_differs("Resources: {}\nParameters: { A: { Default: True } }\n", "Resources: {}\nParameters: { A: { Default: true } }\n")
        for text in ["Yes", "012", "1:30", "2012-10-17", "0x1F", "1_000"]:
            self.assertEqual(read(f"a: {text}")["a"], text)

    def test_big_numbers_keep_their_digits(self):
        self.assert_differs(wrap(12345678901234567890), wrap(12345678901234567891))
        self.assert_differs('{"Resources": {}, "Metadata": {"a": 1.0}}', '{"Resources": {}, "Metadata": {"a": 1}}')

    def test_nothing_may_be_missing(self):
        full = {
            "Description": "d",
            "Metadata": {"m": 1},
            "Parameters": {"P": {"Type": "String", "NoEcho": True}},
            "Rules": {"R": {"Assertions": []}},
            "Mappings": {"M": {"a": {"b": "c"}}},
            "Conditions": {"C": {"Fn::Equals": ["a", "b"]}},
            "Transform": "AWS::LanguageExtensions",
            "Resources": {
                "A": {
                    "Type": "T",
                    "Condition": "C",
                    "DependsOn": ["B"],
                    "DeletionPolicy": "Retain",
                    "UpdateReplacePolicy": "Snapshot",
                    "CreationPolicy": {"ResourceSignal": {"Count": 1}},
                    "UpdatePolicy": {"x": "y"},
                    "Metadata": {"m": "n"},
                    "Properties": {"p": ["a", "b"]},
                },
            },
            "Outputs": {"O": {"Value": "v", "Condition": "C", "Export": {"Name": "n"}, "Description": "d"}},
        }
        whole = json.dumps(full)
        self.assert_same(whole, whole)

        def without(value):
            for key in list(value):
                inner = value.pop(key)
                if key != "Resources":
                    self.assert_differs(whole, json.dumps(full))
                if isinstance(inner, dict):
                    value[key] = inner
                    without(inner)
                value[key] = inner

        without(full)

    def test_lists_and_orders(self):
        base = '{"Resources": {"A": {"Type": "T", "DependsOn": %s, "Properties": %s}}}'
        self.assert_same(base % ('["B", "C"]', "{}"), base % ('["C", "B"]', "{}"))
        self.assert_same(base % ('"B"', '{"a": 1, "b": 2}'), base % ('["B"]', '{"b": 2, "a": 1}'))
        self.assert_differs(base % ('"B"', '{"a": [1, 2]}'), base % ('"B"', '{"a": [2, 1]}'))
        self.assert_differs(base % ('"B"', '{"a": [1]}'), base % ('"B"', '{"a": [1, 1]}'))

    def test_keys_twice_and_other_texts_are_refused(self):
        for text in ['{"a": 1, "a": 2}', "a: 1\na: 2\n", "", "a: b: c"]:
            with self.assertRaises(Unreadable):
                read(text)


if __name__ == "__main__":
    unittest.main()
