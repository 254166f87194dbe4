//! Every kernel has its row: a new one does not compile here until somebody says where its exactness is tested.

use slmc::sampling::{Kernel, Pairing};

use crate::{canonical, delayed, exchange, nested};

/// How many rows test a kernel, or `None` for one that makes no promise of exactness.
fn rows_of(kernel: &Kernel) -> Option<usize> {
    match kernel {
        Kernel::Slhmc | Kernel::Hmc => Some(canonical::kernels().filter(|row| row == kernel).count()),
        Kernel::Nested(_) => Some(
            nested::ROWS
                .iter()
                .filter(|row| matches!(row.kernel, Kernel::Nested(_)))
                .count(),
        ),
        Kernel::Local { .. } => Some(
            nested::ROWS
                .iter()
                .filter(|row| matches!(row.kernel, Kernel::Local { .. }))
                .count(),
        ),
        // Nothing is rejected: what it gives is known, and tested as such in `langevin`.
        Kernel::Langevin { .. } => None,
    }
}

/// How many rows test a way to choose who exchanges.
fn rows_of_pairing(pairing: Pairing) -> usize {
    match pairing {
        Pairing::EvenOdd | Pairing::Random => {
            let rows = exchange::rows();
            rows.iter().filter(|row| row.pairing == pairing).count()
        }
    }
}

/// Each kernel that proposes has a row of delayed acceptance too.
#[test]
fn two_stages_have_rows_of_every_kernel_that_proposes() {
    let kernels = canonical::kernels().chain(nested::ROWS.iter().map(|row| row.kernel));
    for kernel in kernels.filter(Kernel::proposes) {
        let same = |row: &delayed::Row| std::mem::discriminant(&row.kernel) == std::mem::discriminant(&kernel);
        assert!(delayed::ROWS.iter().any(same), "{kernel:?}");
        // Regions keep the cell as it is.
        let moves_cells = matches!(kernel, Kernel::Slhmc | Kernel::Nested(_));
        let same = |row: &Kernel| std::mem::discriminant(row) == std::mem::discriminant(&kernel);
        let mut kernels = delayed::CONSTANT_PRESSURE.iter().map(|(_, kernel, ..)| kernel);
        assert!(!moves_cells || kernels.any(same), "{kernel:?}");
    }
}

#[test]
fn every_pairing_has_a_row() {
    for pairing in [Pairing::EvenOdd, Pairing::Random] {
        assert!(rows_of_pairing(pairing) >= 1, "{pairing:?}");
    }
}

#[test]
fn every_kernel_has_rows() {
    let kernels = canonical::kernels().chain(nested::ROWS.iter().map(|row| row.kernel));
    let kernels: Vec<Kernel> = kernels.chain([Kernel::Slhmc, Kernel::Hmc]).collect();
    for kernel in &kernels {
        assert!(rows_of(kernel).is_none_or(|rows| rows >= 2), "{kernel:?}");
    }
}
