// The kernels of the applications, for chips and for native peers: double precision, matrices in row-major order.
//
// Tiles of Cholesky and matmul are square, of a multiple of 16 rows. Cholesky computes the upper factor U of A = U^T U.
#include <callring/chip.h>

#include <cmath>
#include <cstdint>

namespace {

constexpr std::int64_t STRIP = 4;   // rows of a result that are computed together
constexpr std::int64_t BLOCK = 16;  // its columns that are computed together, and rows that are solved together
constexpr std::int64_t LANES = 8;

typedef double Vector __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double)), may_alias));

struct Matrix {
    double* data;
    std::int64_t rows;
    std::int64_t columns;
    std::int64_t stride;  // from a row to the next, in elements
    std::int64_t step;    // from a column to the next

    double* row(std::int64_t i) const { return data + i * stride; }
    Matrix part(std::int64_t top, std::int64_t left, std::int64_t height, std::int64_t width) const {
        return {row(top) + left * step, height, width, stride, step};
    }
    Matrix transposed() const { return {data, columns, rows, step, stride}; }
};

Matrix matrix(const callring_args* args, std::uint32_t number) {
    const callring_tensor& tensor = args->tensors[number];
    return {static_cast<double*>(tensor.data), tensor.shape[0], tensor.shape[1], tensor.strides[0], tensor.strides[1]};
}

// C += SIGN A B. With `upper` only the blocks of C that are not wholly below its diagonal.
template <int SIGN>
void multiply_add(const Matrix& a, const Matrix& b, const Matrix& c, bool upper = false) {
    constexpr std::int64_t PARTS = BLOCK / LANES;
    for (std::int64_t j = 0; j < c.columns; j += BLOCK) {
        for (std::int64_t i = 0; i < c.rows && (!upper || i < j + BLOCK); i += STRIP) {
            Vector sums[STRIP][PARTS] = {};
            for (std::int64_t k = 0; k < a.columns; ++k) {
                const double* const column = a.data + i * a.stride + k * a.step;
                for (std::int64_t part = 0; part < PARTS; ++part) {
                    const Vector right = *reinterpret_cast<const Vector*>(b.row(k) + j + part * LANES);
                    for (std::int64_t row = 0; row < STRIP; ++row) {
                        sums[row][part] += column[row * a.stride] * right;
                    }
                }
            }
            for (std::int64_t row = 0; row < STRIP; ++row) {
                for (std::int64_t part = 0; part < PARTS; ++part) {
                    Vector& to = *reinterpret_cast<Vector*>(c.row(i + row) + j + part * LANES);
                    to = SIGN > 0 ? to + sums[row][part] : to - sums[row][part];
                }
            }
        }
    }
}

// to -= factor * from, for so many numbers.
void subtract(double* to, double factor, const double* from, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
        to[i] -= factor * from[i];
    }
}

void divide(double* row, double divisor, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
        row[i] /= divisor;
    }
}

void copy(const Matrix& from, const Matrix& to) {
    for (std::int64_t i = 0; i < to.rows; ++i) {
        for (std::int64_t j = 0; j < to.columns; ++j) {
            to.row(i)[j * to.step] = from.row(i)[j * from.step];
        }
    }
}

// Each number of `to` is the mean of its four neighbours in `from`, which has one more row and column on every side.
void relax(const Matrix& from, const Matrix& to) {
    for (std::int64_t i = 0; i < to.rows; ++i) {
        const double* const above = from.row(i) + 1;
        const double* const beside = from.row(i + 1);
        const double* const below = from.row(i + 2) + 1;
        double* const result = to.row(i);
#pragma GCC ivdep
        for (std::int64_t j = 0; j < to.columns; ++j) {
            result[j] = (above[j] + below[j] + beside[j] + beside[j + 2]) * 0.25;
        }
    }
}

}  // namespace

// C += A B.
CALLRING_SIGNATURE(multiply, CALLRING_IN, CALLRING_IN, CALLRING_INOUT);
CALLRING_EXPORT int multiply(const callring_block*, const callring_args* args) {
    multiply_add<1>(matrix(args, 0), matrix(args, 1), matrix(args, 2));
    return 0;
}

// A tile on the diagonal becomes its factor. Returns 1 if it is not positive definite.
CALLRING_SIGNATURE(potrf, CALLRING_INOUT);
CALLRING_EXPORT int potrf(const callring_block*, const callring_args* args) {
    const Matrix a = matrix(args, 0);
    for (std::int64_t top = 0; top < a.rows; top += BLOCK) {
        const std::int64_t end = top + BLOCK;
        const Matrix above = a.part(0, top, top, BLOCK);
        multiply_add<-1>(above.transposed(), a.part(0, top, top, a.columns - top),
                         a.part(top, top, BLOCK, a.columns - top));
        for (std::int64_t i = top; i < end; ++i) {
            if (!(a.row(i)[i] > 0)) {
                return 1;
            }
            divide(a.row(i) + i, std::sqrt(a.row(i)[i]), a.columns - i);
            for (std::int64_t below = i + 1; below < end; ++below) {
                subtract(a.row(below) + below, a.row(i)[below], a.row(i) + below, a.columns - below);
            }
        }
    }
    return 0;
}

// Solves U^T X = A for X, which replaces A. U is the factor of the tile on the diagonal of the same row.
CALLRING_SIGNATURE(trsm, CALLRING_IN, CALLRING_INOUT);
CALLRING_EXPORT int trsm(const callring_block*, const callring_args* args) {
    const Matrix u = matrix(args, 0);
    const Matrix x = matrix(args, 1);
    for (std::int64_t top = 0; top < x.rows; top += BLOCK) {
        multiply_add<-1>(u.part(0, top, top, BLOCK).transposed(), x.part(0, 0, top, x.columns),
                         x.part(top, 0, BLOCK, x.columns));
        for (std::int64_t i = top; i < top + BLOCK; ++i) {
            divide(x.row(i), u.row(i)[i], x.columns);
            for (std::int64_t below = i + 1; below < top + BLOCK; ++below) {
                subtract(x.row(below), u.row(i)[below], x.row(i), x.columns);
            }
        }
    }
    return 0;
}

// C -= A^T A, on and above the diagonal.
CALLRING_SIGNATURE(syrk, CALLRING_IN, CALLRING_INOUT);
CALLRING_EXPORT int syrk(const callring_block*, const callring_args* args) {
    const Matrix a = matrix(args, 0);
    multiply_add<-1>(a.transposed(), a, matrix(args, 1), true);
    return 0;
}

// C -= A^T B.
CALLRING_SIGNATURE(gemm, CALLRING_IN, CALLRING_IN, CALLRING_INOUT);
CALLRING_EXPORT int gemm(const callring_block*, const callring_args* args) {
    multiply_add<-1>(matrix(args, 0).transposed(), matrix(args, 1), matrix(args, 2));
    return 0;
}

// An iteration of a stencil, on a part of a grid and the numbers around it.
CALLRING_SIGNATURE(stencil, CALLRING_IN, CALLRING_OUT);
CALLRING_EXPORT int stencil(const callring_block*, const callring_args* args) {
    relax(matrix(args, 0), matrix(args, 1));
    return 0;
}

// The same, and the edges of the result into the halos of the blocks above, below, to the left and to the right.
CALLRING_SIGNATURE(stencil_with_halos, CALLRING_IN, CALLRING_OUT, CALLRING_OUT, CALLRING_OUT, CALLRING_OUT,
                   CALLRING_OUT);
CALLRING_EXPORT int stencil_with_halos(const callring_block*, const callring_args* args) {
    const Matrix to = matrix(args, 1);
    relax(matrix(args, 0), to);
    copy(to.part(0, 0, 1, to.columns), matrix(args, 2));
    copy(to.part(to.rows - 1, 0, 1, to.columns), matrix(args, 3));
    copy(to.part(0, 0, to.rows, 1), matrix(args, 4));
    copy(to.part(0, to.columns - 1, to.rows, 1), matrix(args, 5));
    return 0;
}
