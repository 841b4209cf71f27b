//! The functions of CloudFormation, as far as the language has them.

/// Functions, and the form of each.
/// Source: AWS CloudFormation Template Reference, "Intrinsic function reference".
pub(super) const FUNCTIONS: [(&str, &str); 13] = [
    ("Ref", "`!Ref name`"),
    ("Fn::Base64", "`!Base64 text`"),
    ("Fn::Cidr", "`!Cidr [\"10.0.0.0/16\", 4, 8]`: a block, how many, and the bits of each"),
    ("Fn::FindInMap", "`!FindInMap [mapping, key, key]`"),
    ("Fn::GetAtt", "`!GetAtt name.Attribute`"),
    ("Fn::GetAZs", "`!GetAZs \"\"`, or a region instead of `\"\"`"),
    ("Fn::If", "`!If [condition, value, otherwise]`"),
    ("Fn::ImportValue", "`!ImportValue name`"),
    ("Fn::Join", "`!Join [\",\", [a, b]]`"),
    ("Fn::Select", "`!Select [0, [a, b]]`"),
    ("Fn::Split", "`!Split [\",\", \"a,b\"]`"),
    ("Fn::Sub", "`!Sub \"${name.Attribute}\"`, or `!Sub [\"${variable}\", { variable: value }]`"),
    ("Fn::Transform", "`!Transform { Name: macro, Parameters: { name: value } }`"),
];

/// Functions that make a condition, and the form of each.
pub(super) const CONDITION_FUNCTIONS: [(&str, &str); 5] = [
    ("Condition", "`!Condition name`"),
    ("Fn::And", "`!And [condition, condition]`, with 2 to 10 of them"),
    ("Fn::Equals", "`!Equals [text, text]`"),
    ("Fn::Not", "`!Not [condition]`"),
    ("Fn::Or", "`!Or [condition, condition]`, with 2 to 10 of them"),
];

/// Functions of CloudFormation that only a macro reads, and the alternative to each.
pub(super) const UNAVAILABLE: [(&str, &str); 3] = [
    ("Fn::ForEach", "it needs `transform: AWS::LanguageExtensions`; or write each entry out"),
    ("Fn::Length", "it needs `transform: AWS::LanguageExtensions`; or write the number"),
    ("Fn::ToJsonString", "it needs `transform: AWS::LanguageExtensions`; or write the JSON as a text"),
];

/// Functions that may give an operand of `Fn::Equals`: the same source, "Condition functions".
pub(super) const IN_CONDITIONS: [&str; 6] =
    ["Ref", "Fn::FindInMap", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::Sub"];
