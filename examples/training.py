"""A real training job: two models on data that it makes, the better one kept.

Each branch trains on all CPUs that it may use; the cards show which model pays for its time and memory,
and how much of both is fitting, how much scoring:

    pip install scikit-learn
    python training.py run
    python training.py run --rows 200000
    python training.py card view train
"""

from metaflow import FlowSpec, Parameter, current, resources, step, track_resources


def candidate(kind: str):
    """Return an untrained model."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    if kind == "forest":
        return RandomForestClassifier(n_estimators=30, max_depth=12, n_jobs=-1, random_state=0)
    return HistGradientBoostingClassifier(max_iter=30, random_state=0)


class TrainingFlow(FlowSpec):
    rows = Parameter("rows", default=10_000, help="number of samples to make")

    @track_resources
    @step
    def start(self):
        from sklearn.datasets import make_classification
        from sklearn.model_selection import train_test_split

        features, target = make_classification(self.rows, n_features=30, n_informative=12, random_state=0)
        self.train_x, self.test_x, self.train_y, self.test_y = train_test_split(features, target, random_state=0)
        self.kinds = ["forest", "boosting"]
        self.next(self.train, foreach="kinds")

    @track_resources
    @resources(cpu=4, memory=8000)
    @step
    def train(self):
        self.kind = self.input
        with current.track_resources.mark("fit"):
            self.model = candidate(self.kind).fit(self.train_x, self.train_y)
        with current.track_resources.mark("score"):
            self.accuracy = self.model.score(self.test_x, self.test_y)
        self.next(self.choose)

    @step
    def choose(self, inputs):
        best = max(inputs, key=lambda branch: branch.accuracy)
        self.kind, self.model, self.accuracy = best.kind, best.model, best.accuracy
        self.next(self.end)

    @step
    def end(self):
        print(f"{self.kind} is right in {self.accuracy:.1%} of {self.rows // 4} cases")


if __name__ == "__main__":
    TrainingFlow()
