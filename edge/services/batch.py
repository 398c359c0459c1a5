"""`calcedge analyze`: the analysis without the appliance, for files and folders, in the order given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import __version__
from edge.clock import SystemClock
from edge.config import Config
from edge.errors import ReportError, reason
from edge.report.build import DeviceId, make_reports
from edge.services.worker import Settings, Worker, WorkerDied
from edge.types import Analysed, Analysis, Header, NotAnalysed


@dataclass(frozen=True, slots=True)
class Result:
    """One file's analysis, the report objects written, and why they could not be when they couldn't."""

    analysis: Analysis
    written: tuple[Path, ...] = ()
    trouble: ReportError | None = None


def files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files named, and those inside the folders named, sorted within each folder."""
    for path in paths:
        if path.is_dir():
            yield from sorted(entry for entry in path.rglob("*") if entry.is_file())
        else:
            yield path


def analyse(
    config: Config, paths: Sequence[Path], out: Path | None, *, all_scores: bool, fhir: bool = False
) -> Iterator[Result]:
    """Analyses each file and, with `out`, writes its report objects there, with `fhir` as FHIR too."""
    settings = Settings(config.analysis.release, config.analysis.deadline_s, config.analysis.threads)
    device = DeviceId("calcedge", "calcedge", config.device.serial, __version__)
    with Worker(settings) as worker:
        for path in files(paths):
            header, result = _one(worker, path, all_scores=all_scores)
            if out is None or header is None:
                yield Result(result.analysis)
                continue
            try:
                contents = _made(path, result, device, fhir=fhir)
            except ReportError as error:
                yield Result(result.analysis, trouble=error)
                continue
            out.mkdir(parents=True, exist_ok=True)
            written = []
            for name, content in contents.items():
                target = out / f"{path.stem}.{name}"
                target.write_bytes(content)
                written.append(target)
            yield Result(result.analysis, tuple(written))


def _made(path: Path, result: Analysed, device: DeviceId, *, fhir: bool) -> dict[str, bytes]:
    """What is written of one analysis: the end of each file's name, and its content."""
    now = SystemClock().now()
    contents = {
        f"{report.kind}.{report.sop_instance_uid.rsplit('.', 1)[-1][-8:]}.dcm": report.content
        for report in make_reports(path, result.analysis, result.picture_png, made_at=now, device=device)
    }
    if fhir:
        from edge.report.fhir import fhir_bundle  # noqa: PLC0415 - loads hundreds of models: only when asked for

        contents["fhir.json"] = fhir_bundle(path, result.analysis, made_at=now, device=device).encode()
    return contents


def _one(worker: Worker, path: Path, *, all_scores: bool) -> tuple[Header | None, Analysed]:
    source = str(path)
    header: Header | None = None
    try:
        admitted = worker.admit(path.resolve(), source)
        if isinstance(admitted, NotAnalysed):
            return None, Analysed(admitted, None)
        header = admitted
        return header, worker.analyse(path.resolve(), header, source, all_scores=all_scores)
    except WorkerDied:
        uid = header.identity.sop_instance_uid if header else None
        return header, Analysed(NotAnalysed(source, reason("analysis-failed"), uid, worker.model), None)
