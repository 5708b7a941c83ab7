"""Workflows: chains, groups and graphs of jobs, and deciders whose steps say what comes next."""

from qless_py.workflow.decider import Branch, Decider, Decision, End, Next
from qless_py.workflow.definition import Workflow
from qless_py.workflow.looking import StepStatus, WorkflowStatus
from qless_py.workflow.parts import Chain, Group, Step, chain, group, step
from qless_py.workflow.runs import WorkflowRun, Workflows, parent_results

__all__ = [
    "Branch",
    "Chain",
    "Decider",
    "Decision",
    "End",
    "Group",
    "Next",
    "Step",
    "StepStatus",
    "Workflow",
    "WorkflowRun",
    "WorkflowStatus",
    "Workflows",
    "chain",
    "group",
    "parent_results",
    "step",
]
