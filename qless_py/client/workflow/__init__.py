"""Workflows: chains, groups and graphs of jobs, and deciders whose steps say what comes next."""

from qless_py.client.workflow.decider import Branch, Decider, Decision, End, Next
from qless_py.client.workflow.definition import Workflow
from qless_py.client.workflow.runs import WorkflowRun, Workflows, parent_results
from qless_py.client.workflow.status import StepStatus, WorkflowStatus
from qless_py.client.workflow.steps import Chain, Group, Step, chain, group, step

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
