//! The values of a run's columns: whole columns, or those of some networks, read in blocks.

use std::io::ErrorKind;
use std::path::Path;

use ndarray::{Array, Array1, Array2, Dimension, Ix2};

use super::column::ColumnFile;
use super::layout::{blocks, column_path};
use super::{Population, Run, RunError};
use crate::analysis::ComparedNetworks;
use crate::engine::Status;
use crate::input::GivenTheta;
use crate::model::{Loss, Network};
use crate::npy::{Element, NpyError, NpyFile, shown_shape};
use crate::polish::End;
use crate::records::{Column, Dtype, Values};
use crate::room::check_memory;
use crate::spec::Work;

/// The numbers in `bytes` of a column of type `dtype`, widened to f64.
fn widened(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    match Values::of(dtype, bytes) {
        Values::Uint8(values) => values.into_iter().map(f64::from).collect(),
        Values::Uint32(values) => values.into_iter().map(f64::from).collect(),
        Values::Uint64(values) => values.into_iter().map(|value| value as f64).collect(),
        Values::Float32(values) => values.into_iter().map(f64::from).collect(),
        Values::Float64(values) => values,
    }
}

/// The networks of a run whose descents end at a critical point, as they are there.
#[derive(Debug, Clone, PartialEq)]
pub struct PolishedPoints {
    /// Their rows, (S',), ascending.
    pub rows: Vec<usize>,
    /// Their shape and activation.
    pub network: Network,
    /// What they minimise.
    pub trained_on: Loss,
    /// Their weights, (S', D).
    pub theta: Array2<f32>,
    /// The objective, (S',).
    pub objective: Vec<f64>,
    /// The upper bound of lambda_1, (S',).
    pub lambda_sup: Vec<f64>,
}

impl PolishedPoints {
    /// The same, for [`crate::analysis::distinct_ends`].
    pub fn compared(&self) -> ComparedNetworks<'_> {
        let Self { network: Network { shape, activation }, trained_on, theta, objective, lambda_sup, .. } = self;
        let (shape, activation, trained_on) = (*shape, *activation, *trained_on);
        ComparedNetworks { shape, activation, trained_on, theta: theta.view(), loss: objective, lambda_sup }
    }
}

impl Run {
    /// A float64 column, (S,).
    ///
    /// # Errors
    /// [`RunError::Column`] if the run has no such column, or its file is missing or damaged.
    pub fn floats(&self, name: &str) -> Result<Vec<f64>, RunError> {
        self.plain(name, Dtype::Float64)
    }

    /// A float64 column with several values in each row, (S, width).
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn wide_floats(&self, name: &str) -> Result<Array2<f64>, RunError> {
        let column = self.column(name)?;
        if column.dtype != Dtype::Float64 {
            return Err(self.damaged(name, format!("the column holds {:?}, not {:?}", column.dtype, Dtype::Float64)));
        }
        let values: Array2<f64> = self.read(column)?;
        self.check_shape(column, values.shape(), &[self.rows(), column.width.unwrap_or(1)])?;
        Ok(values)
    }

    /// The `seed` column, (S,).
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn seeds(&self) -> Result<Vec<u64>, RunError> {
        self.plain("seed", Dtype::Uint64)
    }

    /// The `status` column as numbers, (S,): see [`Status::from_number`].
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn status(&self) -> Result<Vec<u8>, RunError> {
        self.plain("status", Dtype::Uint8)
    }

    /// The `steps` column, (S,).
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn steps(&self) -> Result<Vec<u32>, RunError> {
        self.plain("steps", Dtype::Uint32)
    }

    /// The `theta` column, (S, D), widened to f64.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn theta(&self) -> Result<Array2<f64>, RunError> {
        let column = self.theta_column()?;
        let theta = match column.dtype {
            Dtype::Float64 => self.read::<f64, Ix2>(column)?,
            _ => {
                let theta = self.read::<f32, Ix2>(column)?;
                check_memory("the weights in f64", (theta.len() as u64).saturating_mul(8))?;
                theta.mapv(f64::from)
            }
        };
        self.check_shape(column, theta.shape(), &[self.rows(), column.width.unwrap_or(1)])?;
        Ok(theta)
    }

    /// The networks of an evaluation.
    ///
    /// # Errors
    /// [`RunError::Theta`] if they are others than those that it was begun with, and as [`Self::floats`].
    pub fn given_theta(&self) -> Result<GivenTheta, RunError> {
        let column = self.theta_column()?;
        let theta = match column.dtype {
            Dtype::Float64 => GivenTheta::Float64(self.read(column)?),
            _ => GivenTheta::Float32(self.read(column)?),
        };
        match &self.manifest().spec.work {
            Work::Evaluate { theta_hash, .. } if *theta_hash == theta.hash() => Ok(theta),
            _ => Err(RunError::Theta(column_path(self.dir(), &column.name))),
        }
    }

    /// Row numbers and weights of the networks that stand for critical points ([`Status::is_critical_point`]), (S', D)
    /// in f32, read in blocks.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn critical_points(&self) -> Result<(Vec<usize>, Array2<f32>), RunError> {
        let column = self.theta_column()?;
        let status = self.status()?;
        self.points(column, &|row| Status::from_number(status[row]).is_some_and(Status::is_critical_point), false)
    }

    /// The `end` column as numbers, (S,): see [`End::from_number`]. Rows that are not written yet count as unfinished.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn end_numbers(&self) -> Result<Vec<u8>, RunError> {
        let mut ends = self.plain("end", Dtype::Uint8)?;
        for (end, status) in ends.iter_mut().zip(self.status()?) {
            if status == Status::Pending as u8 {
                *end = End::Unfinished as u8;
            }
        }
        Ok(ends)
    }

    /// The networks whose descents end at a critical point. Those whose weights were not kept are left out.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn polished_points(&self) -> Result<PolishedPoints, RunError> {
        let column = self.column("theta_polished")?;
        let ends = self.end_numbers()?;
        let critical = |row: usize| matches!(End::from_number(ends[row]), Some(End::Minimum | End::Saddle));
        let (rows, theta) = self.points(column, &critical, true)?;
        let values = |name: &str| -> Result<Vec<f64>, RunError> {
            let all = self.floats(name)?;
            Ok(rows.iter().map(|&row| all[row]).collect())
        };
        let (objective, lambda_sup) = (values("objective_polished")?, values("lambda_sup_polished")?);
        let spec = &self.manifest().spec;
        let shape = spec.shape().map_err(|error| self.damaged("theta_polished", error.to_string()))?;
        let (network, trained_on) = (Network { shape, activation: spec.activation }, spec.loss);
        Ok(PolishedPoints { rows, network, trained_on, theta, objective, lambda_sup })
    }

    /// Row numbers and weights, (S', D) in f32, of the rows of `column` that are `wanted`, or if `only_finite` of those
    /// of them that are finite.
    fn points(
        &self,
        column: &Column,
        wanted: &dyn Fn(usize) -> bool,
        only_finite: bool,
    ) -> Result<(Vec<usize>, Array2<f32>), RunError> {
        // First of all: a width that its file does not have is no width.
        let file = self.open_column(&column.name)?;
        let width = column.width.unwrap_or(1);
        let count = (0..self.rows()).filter(|&row| wanted(row)).count();
        let numbers = count.saturating_mul(width);
        check_memory("the weights of the critical points", (numbers as u64).saturating_mul(4))?;
        let (mut rows, mut points) = (Vec::with_capacity(count), Vec::with_capacity(numbers));
        for block in blocks(&(0..self.rows() as u64)) {
            let start = block.start as usize;
            let weights = widened(column.dtype, &file.read(&block)?);
            for row in (start..block.end as usize).filter(|&row| wanted(row)) {
                let weights = &weights[(row - start) * width..][..width];
                if !only_finite || weights.iter().all(|weight| weight.is_finite()) {
                    rows.push(row);
                    points.extend(weights.iter().map(|&weight| weight as f32));
                }
            }
        }
        let points = Array2::from_shape_vec((rows.len(), width), points)
            .map_err(|error| self.damaged(&column.name, error.to_string()))?;
        Ok((rows, points))
    }

    /// What row `row` of the float64 column `name` holds: one number, or as many as the column is wide.
    ///
    /// # Errors
    /// As [`Self::floats`], and if there is no such row.
    pub fn values_of(&self, name: &str, row: usize) -> Result<Vec<f64>, RunError> {
        if self.column(name)?.dtype != Dtype::Float64 || row >= self.rows() {
            return Err(self.damaged(name, format!("the column has no row {row} of float64")));
        }
        Ok(widened(Dtype::Float64, &self.open_column(name)?.read(&(row as u64..row as u64 + 1))?))
    }

    /// The weights of the first networks, at most `count`, that ended as `status`, (S', D) in f64; those that were not
    /// kept are NaN.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn weights_of_first(&self, status: Status, count: usize) -> Result<Array2<f64>, RunError> {
        let column = self.theta_column()?;
        let (file, ended) = (self.open_column("theta")?, self.open_column("status")?);
        let (mut weights, mut found) = (Vec::new(), 0);
        self.each_block(|rows| {
            if found == count {
                return Ok(());
            }
            let networks = rows.clone().zip(ended.read(&rows)?).filter(|(_, number)| *number == status as u8);
            for (row, _) in networks.take(count - found) {
                weights.extend(widened(column.dtype, &file.read(&(row..row + 1))?));
                found += 1;
            }
            Ok(())
        })?;
        Array2::from_shape_vec((found, column.width.unwrap_or(1)), weights)
            .map_err(|error| self.damaged("theta", error.to_string()))
    }

    /// Hands the value of column `name` of every network of the population `over` to `take`, in seed order and read in
    /// blocks.
    ///
    /// # Errors
    /// As [`Self::floats`], and for a column that is not one number per row.
    pub fn each_value(&self, name: &str, over: Population, take: &mut dyn FnMut(f64)) -> Result<(), RunError> {
        let &Column { width: None, dtype: dtype @ (Dtype::Float64 | Dtype::Uint32), .. } = self.column(name)? else {
            return Err(self.damaged(name, "the column does not hold one f64 or u32 per row".into()));
        };
        let (values, status) = (self.open_column(name)?, self.open_column("status")?);
        self.each_block(|rows| {
            let values = widened(dtype, &values.read(&rows)?);
            let of_population = values.into_iter().zip(status.read(&rows)?).filter(|(_, status)| over.holds(*status));
            of_population.for_each(|(value, _)| take(value));
            Ok(())
        })
    }

    /// Hands the values of the float64 columns `names` of every written row to `take`, in seed order and read in
    /// blocks.
    ///
    /// # Errors
    /// As [`Self::floats`], and for a column that is not one f64 per row.
    pub fn each_row(&self, names: &[&str], take: &mut dyn FnMut(&[f64])) -> Result<(), RunError> {
        let open = |&name: &&str| match self.column(name)? {
            Column { width: None, dtype: Dtype::Float64, .. } => self.open_column(name),
            _ => Err(self.damaged(name, "the column does not hold one f64 per row".into())),
        };
        let files = names.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let mut values = vec![0.0; names.len()];
        self.each_block(|rows| {
            let read = |file: &ColumnFile| Ok(widened(Dtype::Float64, &file.read(&rows)?));
            let columns = files.iter().map(read).collect::<Result<Vec<_>, RunError>>()?;
            for row in 0..(rows.end - rows.start) as usize {
                values.iter_mut().zip(&columns).for_each(|(value, column)| *value = column[row]);
                take(&values);
            }
            Ok(())
        })
    }

    fn rows(&self) -> usize {
        usize::try_from(self.manifest().spec.rows()).unwrap_or(usize::MAX)
    }

    fn plain<T: Element>(&self, name: &str, dtype: Dtype) -> Result<Vec<T>, RunError> {
        let column = self.column(name)?;
        if column.dtype != dtype {
            return Err(self.damaged(name, format!("the column holds {:?}, not {dtype:?}", column.dtype)));
        }
        let values: Array1<T> = self.read(column)?;
        self.check_shape(column, values.shape(), &[self.rows()])?;
        Ok(values.into_raw_vec_and_offset().0)
    }

    fn read<T: Element, X: Dimension>(&self, column: &Column) -> Result<Array<T, X>, RunError> {
        let read = |path: &Path| NpyFile::open(path)?.read::<T>();
        let wrong = |problem: String| self.damaged(&column.name, problem);
        let array = read(&column_path(self.dir(), &column.name)).map_err(|error| {
            wrong(match error {
                NpyError::Io(error) if error.kind() == ErrorKind::NotFound => "the column is missing".into(),
                NpyError::Short { .. } => "the file is shorter than its header says: it was cut off".into(),
                error => error.to_string(),
            })
        })?;
        let array = array.ok_or_else(|| wrong(format!("the file does not hold {:?}", column.dtype)))?;
        array.into_dimensionality().map_err(|error| wrong(error.to_string()))
    }

    fn check_shape(&self, column: &Column, found: &[usize], expected: &[usize]) -> Result<(), RunError> {
        if found == expected {
            return Ok(());
        }
        let (found, expected) = (shown_shape(found), shown_shape(expected));
        Err(self.damaged(&column.name, format!("the column has the shape {found}, the manifest says {expected}")))
    }
}
