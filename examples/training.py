"""A real training job: two models on data that it makes, the better one kept.

Each branch trains on all CPUs that it may use; the cards show which model pays for its time and memory:

    pip install scikit-learn
    python training.py run
    python training.py run --rows 200000
    python training.py card view train
"""

from metaflow import FlowSpec, Parameter, resources, step, track_resources


def candidate(name: str):
    """Return an untrained model."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    if name == "forest":
        return RandomForestClassifier(n_estimators=40, max_depth=12, n_jobs=-1, random_state=0)
    return HistGradientBoostingClassifier(max_iter=40, random_state=0)


class TrainingFlow(FlowSpec):
    rows = Parameter("rows", default=20_000, help="number of samples to make")

    @track_resources
    @step
    def start(self):
        from sklearn.datasets import make_classification
        from sklearn.model_selection import train_test_split

        features, target = make_classification(self.rows, n_features=30, n_informative=12, random_state=0)
        self.train_x, self.test_x, self.train_y, self.test_y = train_test_split(features, target, random_state=0)
        self.names = ["forest", "boosting"]
        self.next(self.train, foreach="names")

    @track_resources
    @resources(cpu=4, memory=8000)
    @step
    def train(self):
        self.name = self.input
        self.model = candidate(self.name).fit(self.train_x, self.train_y)
        self.accuracy = self.model.score(self.test_x, self.test_y)
        self.next(self.choose)

    @step
    def choose(self, inputs):
        best = max(inputs, key=lambda branch: branch.accuracy)
        self.name, self.model, self.accuracy = best.name, best.model, best.accuracy
        self.next(self.end)

    @step
    def end(self):
        print(f"{self.name} is right in {self.accuracy:.1%} of {self.rows // 4} cases")


if __name__ == "__main__":
    TrainingFlow()
