//! The `[training]` section.

/// How the potential is fitted to the labels: the `[training]` section.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TrainingConfig {
    /// Whether atomic energies have a linear path beside the networks: coefficients of the scaled descriptors, fitted
    /// in closed form to all energies, forces and stresses. Without it the networks learn everything.
    pub linear: bool,
    /// The number of folds: every so-manieth frame is held out when coefficients are cross-validated, and a network
    /// validates on the frames of one fold and never learns from them.
    pub folds: usize,
    /// Labels before networks are trained beside the linear path; below that their validation is too uncertain to tell
    /// whether they help.
    pub networks_after: usize,
    /// Factor on the automatic weight of energies; 0 leaves them out (apart from the reference energies).
    pub energy_weight: f64,
    /// Factor on the automatic weight of forces; 0 leaves them out.
    pub force_weight: f64,
    /// Factor on the automatic weight of stresses; 0 leaves them out.
    pub stress_weight: f64,
    /// What improves the networks' parameters.
    pub optimiser: OptimiserConfig,
    /// Memory for descriptors and their derivatives, in MiB; what does not fit is computed again whenever it is needed.
    pub memory_budget: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            linear: true,
            folds: 5,
            networks_after: 40,
            energy_weight: 1.0,
            force_weight: 1.0,
            stress_weight: 1.0,
            optimiser: OptimiserConfig::default(),
            memory_budget: 1536,
        }
    }
}

/// The optimiser of the networks.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserConfig {
    /// Adam with decoupled weight decay on mini-batches of frames, the step size falling along a cosine.
    Adamw(AdamwConfig),
    /// The global extended Kalman filter with several observations per update.
    Kalman(KalmanConfig),
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self::Adamw(AdamwConfig::default())
    }
}

/// Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AdamwConfig {
    /// Passes over the training frames from random weights, at most.
    pub epochs: usize,
    /// Passes over the training frames from the previous generation's weights, at most.
    pub warm_epochs: usize,
    /// Epochs without improvement on the held-out frames before training stops.
    pub patience: usize,
    /// Frames per step.
    pub batch: usize,
    /// The largest step per parameter, in units of the normalised network whose inputs are whitened.
    pub learning_rate: f64,
    /// Weight decay per step, as a fraction of the step size.
    pub weight_decay: f64,
}

impl Default for AdamwConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            warm_epochs: 8,
            patience: 25,
            batch: 4,
            learning_rate: 3e-3,
            weight_decay: 0.1,
        }
    }
}

/// Blank and Brown, J. Chemometrics 8, 391 (1994); Singraber et al., J. Chem. Theory Comput. 15, 3075 (2019).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct KalmanConfig {
    /// Passes over the training frames from random weights, at most.
    pub epochs: usize,
    /// Passes over the training frames from the previous generation's weights, at most.
    pub warm_epochs: usize,
    /// Epochs without improvement on the held-out frames before training stops.
    pub patience: usize,
    /// Frames per update: the streams.
    pub streams: usize,
    /// Force components per frame and update, drawn at random.
    pub forces_per_frame: usize,
    /// Variance of each parameter before the first update, in units of the normalised network.
    pub initial_variance: f64,
    /// The forgetting factor at the first update, below 1.
    pub forgetting: f64,
    /// How slowly the forgetting factor approaches 1: its distance to 1 shrinks by this factor with each update.
    pub forgetting_decay: f64,
    /// Variance added to each parameter at the first update; it shrinks with the forgetting factor's distance to 1.
    pub process_noise: f64,
}

impl Default for KalmanConfig {
    fn default() -> Self {
        Self {
            epochs: 20,
            warm_epochs: 5,
            patience: 8,
            streams: 4,
            forces_per_frame: 12,
            initial_variance: 1e-1,
            forgetting: 0.99,
            forgetting_decay: 0.999,
            process_noise: 1e-6,
        }
    }
}

impl TrainingConfig {
    /// Whether every value makes sense.
    pub(super) fn validate(&self) -> Result<(), super::TrainingError> {
        let check = |holds: bool, key, value: String, rule| {
            if holds {
                return Ok(());
            }
            Err(super::TrainingError::Config {
                section: "[training]",
                key,
                value,
                rule,
            })
        };
        check(self.folds >= 2, "folds", self.folds.to_string(), "must be at least 2")?;
        for (key, weight) in [
            ("energy-weight", self.energy_weight),
            ("force-weight", self.force_weight),
            ("stress-weight", self.stress_weight),
        ] {
            let holds = weight.is_finite() && weight >= 0.0;
            check(holds, key, weight.to_string(), "must be 0 or a positive number")?;
        }
        check(
            self.energy_weight + self.force_weight > 0.0,
            "energy-weight",
            self.energy_weight.to_string(),
            "energies or forces must have a weight",
        )?;
        let counts: &[(&'static str, usize)] = match &self.optimiser {
            OptimiserConfig::Adamw(c) => &[("adamw.epochs", c.epochs), ("adamw.batch", c.batch)],
            OptimiserConfig::Kalman(c) => &[("kalman.epochs", c.epochs), ("kalman.streams", c.streams)],
        };
        for (key, count) in counts {
            check(*count > 0, key, count.to_string(), "must be at least 1")?;
        }
        let positive: &[(&'static str, f64)] = match &self.optimiser {
            OptimiserConfig::Adamw(c) => &[("adamw.learning-rate", c.learning_rate)],
            OptimiserConfig::Kalman(c) => &[
                ("kalman.initial-variance", c.initial_variance),
                ("kalman.forgetting", c.forgetting),
                ("kalman.forgetting-decay", c.forgetting_decay),
            ],
        };
        for (key, value) in positive {
            let holds = value.is_finite() && *value > 0.0;
            check(holds, key, value.to_string(), "must be a positive number")?;
        }
        Ok(())
    }
}
