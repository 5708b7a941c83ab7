"""The result of a job that was completed through this client."""

from qless_py import Client, Job


def test_a_completed_job_knows_its_result_without_being_read_again(client: Client) -> None:
    jid = client.queues["q"].put("app.Sum", {"of": [1, 2]})
    job = client.queues["q"].pop()
    assert job is not None

    job.complete(result={"sum": 3})

    assert (job.state, job.result) == ("complete", {"sum": 3})
    kept = client.jobs[jid]
    assert isinstance(kept, Job)
    assert kept.result == job.result


def test_a_job_finished_by_force_knows_its_result(client: Client) -> None:
    job = client.jobs[client.queues["q"].put("app.Sum")]
    assert isinstance(job, Job)

    job.force_finish(result="given up")

    assert (job.state, job.result) == ("complete", "given up")
