"""The step decorator: Metaflow's hooks, each handed on to ``resource_tracker.flows``."""

from metaflow.decorators import StepDecorator
from metaflow.exception import MetaflowException

from resource_tracker.options import DEFAULT_ARTIFACT_NAME, DEFAULTS

from .nothing_tracked import offer as offer_nothing

offer_nothing()


class TrackResourcesException(MetaflowException):
    headline = "@track_resources cannot be used like this"

    def __init__(self, message):
        # Metaflow prints what stands between two asterisks in another colour, and the asterisks not at all.
        super().__init__(message.replace("*", "\N{ASTERISK OPERATOR}"))


class TrackResourcesDecorator(StepDecorator):
    """
    Measures what the step uses, and says what to request next time and what it costs.

    A process outside the step measures CPU, memory, GPU, disk and network. When the step ends, the
    artifact `resource_tracker_data` holds the measurements and the advice, and a card shows them.

    Parameters
    ----------
    interval : float, default 1.0
        Seconds between rows of the measurements.
    overhead_budget : float, default 0.005
        Share of one core that measuring may use, from 0.0005 to 0.1.
    artifact_name : str, default 'resource_tracker_data'
        Name of the artifact.
    create_card : bool, default True
        Write a card.
    live : bool, default True
        Update the card while the step runs, from about ten seconds on.
    refresh_interval : float, default 5.0
        Seconds between updates of the live card, from 1 to 3600.
    history : int, default 5
        Number of earlier runs to compare with; 0 for none.
    prices : str, default 'bundled'
        Where prices come from: 'bundled' (offline) or 'live' (Spare Cores Keeper API).
    vendor : str, optional
        Offer machines of this vendor, such as 'aws'; by default that of the machine that the step ran on.
    region : str, optional
        Offer machines in this region, such as 'eu-west-1'; by default where the step ran.
    policy : str, default 'safe'
        What the advice is for: 'safe' practically never asks for too little, 'lean' costs least with retries counted.
    enabled : bool, default True
        If False, nothing is measured.
    quiet : bool, default False
        If True, no closing line is written to the step's log.
    warn_memory_fraction : float, default 0.9
        Part of the memory limit from which on the step's log has a warning, once; 0 for none.
    input_size : Union[str, float, Callable], optional
        How large the step's input is, for memory advice that follows it: the name of an attribute or an
        expression of `self` that gives a number of bytes or a path, such as 'len(self.rows) * 8', a number,
        or a function of the flow. Evaluated just before the step. By default the bytes of the input artifacts.

    MF Add To Current
    -----------------
    track_resources -> resource_tracker.step_resources.StepResources
        What the running step uses and may use, such as `current.track_resources.memory_mib`, and marks that divide
        it into spans: `current.track_resources.mark("loaded data")`. In steps that are not measured, figures are
        `nan`, and marks do nothing.

        @@ Returns
        -------
        StepResources
            Live figures and marks.
    """

    name = "track_resources"
    defaults = DEFAULTS

    # One runtime process runs one flow: its tracked steps share a single reader of earlier runs.
    _handover = None

    def step_init(self, flow, graph, step_name, decorators, environment, flow_datastore, logger):
        self._flow_datastore = flow_datastore
        self._decorators = decorators
        self._step = step_name
        self._ends_the_run = step_name == (getattr(graph, "end_step", None) or "end")  # a name of its own: since 2.19
        self._session = None
        self._settings = self._resolve_settings(flow)
        # `--with` hands the attributes on to the tasks, where they count as chosen: they say what is in force.
        self.attributes.update({name: getattr(self._settings, name) for name in DEFAULTS})
        if self._settings.enabled:
            self._guarded("prepare for joins", self._let_joins_merge, flow)
        if self._settings.enabled and self._settings.create_card:
            self._guarded("prepare the card", self._attach_card_where_needed, flow)

    def runtime_init(self, flow, graph, package, run_id):
        if self._settings.enabled:
            self._guarded("prepare the comparison with earlier runs", self._join_handover, flow, run_id)

    def runtime_step_cli(self, cli_args, retry_count, max_user_code_retries, ubf_context):
        handover = TrackResourcesDecorator._handover
        if self._settings.enabled and handover is not None:
            variables = self._guarded("hand earlier runs over to the task", handover.begin)
            cli_args.env.update(variables or {})
        for decorator in self._decorators:
            # Older versions show a step with an interpreter of its own (@conda, @pypi) this extension, but not its
            # package.
            folder = getattr(getattr(decorator, "metaflow_dir", None), "name", None)
            if folder is not None:
                self._guarded("be found by the step's own interpreter", self._link_into, folder)

    def runtime_finished(self, exception):
        handover, TrackResourcesDecorator._handover = TrackResourcesDecorator._handover, None
        if handover is not None:
            self._guarded("clean up", handover.close)

    def add_to_package(self):
        from resource_tracker.flows.packaging import package_files

        # Also where not enabled: the container imports this module all the same.
        return self._guarded("add itself to the code package", lambda: list(package_files())) or []

    @staticmethod
    def _link_into(folder):
        from resource_tracker.flows.packaging import link_into

        link_into(folder)

    def task_pre_step(
        self,
        step_name,
        task_datastore,
        metadata,
        run_id,
        task_id,
        flow,
        graph,
        retry_count,
        max_user_code_retries,
        ubf_context,
        inputs,
    ):
        # @catch runs its fallback in attempts beyond the user's retries: not the user's code.
        if self._settings.enabled and retry_count <= max_user_code_retries:
            own_input_size = self._own_input_size(flow, inputs)
            self._session = self._guarded(
                "start",
                *(self._start_session, flow, step_name, run_id, task_id, retry_count, metadata, inputs, own_input_size),
            )

    def task_post_step(self, step_name, flow, graph, retry_count, max_user_code_retries):
        self._step_ended(None)

    def task_exception(self, exception, step_name, flow, graph, retry_count, max_user_code_retries):
        self._step_ended(exception)

    def task_finished(self, step_name, flow, graph, is_task_ok, retry_count, max_user_code_retries):
        if self._session is not None:
            self._guarded("finish", self._session.finished, caught=bool(is_task_ok))
            self._session = None

    def _resolve_settings(self, flow):
        from metaflow import metaflow_config

        from resource_tracker.errors import SettingError
        from resource_tracker.settings import resolve

        configured = {
            name: getattr(metaflow_config, "RESOURCE_TRACKER_" + name.upper(), None) for name in (*DEFAULTS, "disable")
        }
        try:
            settings = resolve(self.attributes, self._user_defined_attributes, configured)
            if settings.enabled and settings.artifact_name != DEFAULT_ARTIFACT_NAME:
                from resource_tracker.flows.validation import check_artifact_name

                check_artifact_name(flow, settings.artifact_name)
            if settings.enabled and (settings.vendor or settings.region):
                from resource_tracker.flows.validation import check_prices_of

                check_prices_of(settings.vendor, settings.region, live=settings.prices == "live")
            if settings.enabled and isinstance(settings.input_size, str):
                from resource_tracker.flows.flow_names import check_input_size

                check_input_size(flow, settings.input_size)
        except SettingError as error:
            raise TrackResourcesException(str(error)) from None
        return settings

    def _let_joins_merge(self, flow):
        """Keep `merge_artifacts` from failing on our artifact, which differs in every branch.

        Not where the flow assigns an artifact of that name itself: that one is the user's to merge.
        """
        from metaflow import flowspec

        from resource_tracker.flows.validation import assigned_at

        internal = getattr(flowspec, "INTERNAL_ARTIFACTS_SET", None)
        name = self._settings.artifact_name
        if internal is not None and assigned_at(type(flow), name) is None:
            internal.add(name)

    def _attach_card_where_needed(self, flow):
        from resource_tracker.flows.cards import attach_card, internals_are_known

        if not internals_are_known():
            attach_card(flow, self._step)

    def _join_handover(self, flow, run_id):
        from resource_tracker.flows.handover import RuntimeHandover

        handover = TrackResourcesDecorator._handover
        if handover is None or handover.run_id != run_id:
            handover = RuntimeHandover(flow.name, run_id, self._flow_datastore.metadata)
            TrackResourcesDecorator._handover = handover
        handover.add(self._step, self._settings.history)
        if self._settings.create_card and self._ends_the_run:
            handover.review_the_run()

    def _own_input_size(self, flow, inputs):
        """What the user's own `input_size` gives: the user's code, so it runs with the user's `sys.path`."""
        if self._settings.input_size is None:
            return None
        evaluated = self._guarded("load what evaluates input_size", self._load_evaluated)
        return evaluated and evaluated(self._settings.input_size, flow, inputs or ())

    @staticmethod
    def _load_evaluated():
        from resource_tracker.flows.own_input_size import evaluated

        return evaluated

    def _start_session(self, flow, step_name, run_id, task_id, retry_count, metadata, inputs, own_input_size):
        from resource_tracker.flows.attempt import TaskContext
        from resource_tracker.flows.start import start_session

        context = TaskContext(
            flow=flow,
            step=step_name,
            run_id=run_id,
            task_id=task_id,
            attempt=retry_count,
            flow_datastore=self._flow_datastore,
            metadata=metadata,
            decorators=tuple(self._decorators),
            inputs=tuple(inputs or ()),
            own_input_size=own_input_size,
            ends_the_run=self._ends_the_run,
        )
        return start_session(context, self._settings)

    def _step_ended(self, exception):
        if self._session is not None:
            self._guarded("store the artifact", self._session.step_ended, exception)

    @staticmethod
    def _guarded(what, action, *args, **kwargs):
        from resource_tracker.flows.guard import guarded

        return guarded(what, action, *args, **kwargs)
