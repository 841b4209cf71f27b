//! The rules of CloudFormation that conversations keep.

/// The rules, by the names under which a case declares that it breaks one on purpose (`breaks`).
pub const RULES: [(&str, &str); 24] = [
    ("status", "a stack changes its status only as the documentation says"),
    (
        "only-this-caller",
        "a stack moves by itself and by the calls of the case; others who act must be declared",
    ),
    ("operation", "an operation is accepted only in the states that allow it"),
    ("absent", "a stack that does not exist answers nothing"),
    (
        "change-set",
        "only an existing change set in CREATE_COMPLETE is executed, once; executing one deletes the others",
    ),
    (
        "change-set-type",
        "CREATE is for stacks that are absent or in review, UPDATE for all others, IMPORT for both",
    ),
    ("on-failure-type", "OnStackFailure is for change sets of the type CREATE"),
    (
        "on-failure-and-disable-rollback",
        "OnStackFailure at CreateChangeSet excludes DisableRollback at ExecuteChangeSet",
    ),
    ("on-failure-and-deployment-config", "OnStackFailure excludes DeploymentConfig"),
    (
        "deployment-config-and-disable-rollback",
        "DeploymentConfig at CreateChangeSet excludes DisableRollback at ExecuteChangeSet",
    ),
    ("express-follow-up", "after a failure in express mode without rollback, only express mode is accepted"),
    ("termination-protection", "a protected stack is not deleted"),
    ("deletion-mode", "RetainResources and FORCE_DELETE_STACK are for stacks in DELETE_FAILED"),
    ("skip", "only resources that failed in the rollback are skipped"),
    ("events", "the events of a stack only grow, and those of an operation carry its token"),
    (
        "import-alone",
        "an import contains each resource once that the stack does not have, and changes no other",
    ),
    (
        "import-untouched",
        "an import takes no tags, no new outputs, no OnStackFailure and no DeploymentConfig",
    ),
    ("import-policy", "each resource of an import has a DeletionPolicy"),
    ("import-identifier", "a resource is imported by exactly the keys of its identifier"),
    ("tags", "a stack has at most 50 tags, none of them of AWS or empty"),
    ("tags-of-others", "tags that neither the file nor the deployer has set stay"),
    (
        "refactor-alone",
        "a refactor changes logical IDs of resources of the stack, everywhere in its template, and nothing else",
    ),
    (
        "refactor",
        "only an available refactor is executed, once, of a stack without a policy in a state that can be updated",
    ),
    ("revert-drift", "drift is reverted by change sets of the type UPDATE, in the standard mode"),
];
