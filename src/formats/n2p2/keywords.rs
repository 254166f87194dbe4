//! The keywords of input.nn: which of them define a potential, which only train one, and which ask for what is not here.

/// What a keyword is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// It defines the potential.
    Prediction,
    /// It only steers n2p2's own training or output.
    Training,
    /// It asks for something that slmc does not have.
    Unsupported(&'static str),
}

const PREDICTION: &[&str] = &[
    "number_of_elements",
    "elements",
    "atom_energy",
    "cutoff_type",
    "symfunction_short",
    "scale_symmetry_functions",
    "scale_symmetry_functions_sigma",
    "center_symmetry_functions",
    "scale_min_short",
    "scale_max_short",
    "global_hidden_layers_short",
    "global_nodes_short",
    "global_activation_short",
    "element_nodes_short",
    "normalize_nodes",
    "mean_energy",
    "conv_energy",
    "conv_length",
    "nnp_type",
];

const TRAINING: &[&str] = &[
    "random_seed",
    "random_number_type",
    "test_fraction",
    "epochs",
    "use_short_forces",
    "rmse_threshold",
    "rmse_threshold_energy",
    "rmse_threshold_force",
    "rmse_threshold_trials",
    "rmse_threshold_trials_energy",
    "rmse_threshold_trials_force",
    "short_energy_error_threshold",
    "short_force_error_threshold",
    "short_energy_fraction",
    "short_force_fraction",
    "energy_fraction",
    "force_fraction",
    "force_energy_ratio",
    "force_weight",
    "use_old_weights_short",
    "weights_min",
    "weights_max",
    "nguyen_widrow_weights_short",
    "precondition_weights",
    "main_error_metric",
    "write_trainpoints",
    "write_trainforces",
    "write_traincharges",
    "write_weights_epoch",
    "write_neuronstats",
    "write_trainlog",
    "write_symfunctions",
    "write_binary_symfunctions",
    "repeated_energy_update",
    "updater_type",
    "parallel_mode",
    "jacobian_mode",
    "update_strategy",
    "selection_mode",
    "selection_mode_energy",
    "selection_mode_force",
    "task_batch_size_energy",
    "task_batch_size_force",
    "gradient_type",
    "gradient_eta",
    "gradient_adam_eta",
    "gradient_adam_beta1",
    "gradient_adam_beta2",
    "gradient_adam_epsilon",
    "gradient_adam_weight_decay",
    "kalman_type",
    "kalman_epsilon",
    "kalman_eta",
    "kalman_etatau",
    "kalman_etamax",
    "kalman_q0",
    "kalman_qtau",
    "kalman_qmin",
    "kalman_lambda_short",
    "kalman_nue_short",
    "memorize_symfunc_results",
    "normalize_data_set",
];

const CHARGES: &str = "networks for charges (4G-HDNNP) are not here";
const PER_ELEMENT: &str =
    "only networks of the same shape for all elements are read; element_nodes_short alone may differ";

const UNSUPPORTED: &[(&str, &str)] = &[
    ("use_electrostatics", CHARGES),
    ("electrostatic_type", CHARGES),
    ("fixed_gausswidth", CHARGES),
    ("fixed_charge", CHARGES),
    ("atom_hardness", CHARGES),
    ("initial_hardness", CHARGES),
    ("screen_electrostatics", CHARGES),
    ("ewald_prec", CHARGES),
    ("ewald_alpha", CHARGES),
    ("ewald_cutoff", CHARGES),
    ("ewald_kmax", CHARGES),
    ("ewald_truncation_error_method", CHARGES),
    ("kspace_solver", CHARGES),
    ("charge_fraction", CHARGES),
    ("rmse_threshold_charge", CHARGES),
    ("rmse_threshold_trials_charge", CHARGES),
    ("selection_mode_charge", CHARGES),
    ("global_hidden_layers_charge", CHARGES),
    ("global_hidden_layers_electrostatic", CHARGES),
    ("global_nodes_charge", CHARGES),
    ("global_nodes_electrostatic", CHARGES),
    ("global_activation_charge", CHARGES),
    ("global_activation_electrostatic", CHARGES),
    ("symfunction_electrostatic", CHARGES),
    ("element_symfunction_electrostatic", CHARGES),
    ("element_hidden_layers_short", PER_ELEMENT),
    ("element_activation_short", PER_ELEMENT),
    (
        "element_symfunction_short",
        "write symfunction_short for each central element",
    ),
    (
        "global_symfunction_short",
        "write symfunction_short for each central element",
    ),
    ("global_hidden_layers_pair", "pair networks are not here"),
    ("use_vdw", "dispersion corrections are not here"),
    ("vdw_type", "dispersion corrections are not here"),
];

/// The duty of a keyword, or nothing where n2p2 has no such keyword. Keywords are case-sensitive, as in n2p2.
pub(super) fn duty(keyword: &str) -> Option<Duty> {
    if PREDICTION.contains(&keyword) {
        return Some(Duty::Prediction);
    }
    if TRAINING.contains(&keyword) {
        return Some(Duty::Training);
    }
    UNSUPPORTED
        .iter()
        .find(|(name, _)| *name == keyword)
        .map(|(_, reason)| Duty::Unsupported(reason))
}

/// The one name of a keyword that has several.
pub(super) fn canonical(keyword: &str) -> &str {
    match keyword {
        "symfunction" => "symfunction_short",
        "nn_type" => "nnp_type",
        other => other,
    }
}

/// Whether a keyword may stand more than once.
pub(super) fn repeats(keyword: &str) -> bool {
    matches!(keyword, "symfunction_short" | "atom_energy" | "element_nodes_short")
}

/// The known keyword that differs from this one in case alone.
pub(super) fn other_case(keyword: &str) -> Option<&'static str> {
    let lower = keyword.to_lowercase();
    PREDICTION.iter().chain(TRAINING).copied().find(|known| *known == lower)
}
