;; C = A x B, or C += A x B, over float32 matrices in the module's memory. A is m x k, B is k x n, C is m x n.
;;
;; Addresses are bytes. ldb and ldc are the distances between rows in floats; n is a multiple of 4. A has a
;; distance between rows (a_row) and one between columns (a_column), so that a transposed A costs nothing.
;; Every element is summed over k from 0 upwards by itself, in single precision, whatever m and n are: a row
;; comes out the same to the bit alone and in a batch, which is what makes the sampler's log-probabilities
;; those of the trainer. No relaxed SIMD, no fused multiply-add, for the same reason.
(module
  (memory (export "memory") 16)

  (func (export "gemm")
    (param $a i32) (param $a_row i32) (param $a_column i32) (param $b i32) (param $ldb i32)
    (param $c i32) (param $ldc i32) (param $m i32) (param $n i32) (param $k i32) (param $accumulate i32)
    (local $i i32) (local $j i32)
    (local.set $a_row (i32.shl (local.get $a_row) (i32.const 2)))
    (local.set $a_column (i32.shl (local.get $a_column) (i32.const 2)))
    (local.set $ldb (i32.shl (local.get $ldb) (i32.const 2)))
    (local.set $ldc (i32.shl (local.get $ldc) (i32.const 2)))
    (if (i32.eqz (local.get $accumulate))
      (then (call $clear (local.get $c) (local.get $ldc) (local.get $m) (local.get $n))))
    (block $rows_done
      (loop $rows
        (br_if $rows_done (i32.gt_s (i32.add (local.get $i) (i32.const 4)) (local.get $m)))
        (local.set $j (i32.const 0))
        (block $columns_done
          (loop $columns
            (br_if $columns_done (i32.gt_s (i32.add (local.get $j) (i32.const 8)) (local.get $n)))
            (call $tile4x8
              (i32.add (local.get $a) (i32.mul (local.get $i) (local.get $a_row)))
              (local.get $a_row) (local.get $a_column)
              (i32.add (local.get $b) (i32.shl (local.get $j) (i32.const 2))) (local.get $ldb)
              (i32.add (i32.add (local.get $c) (i32.mul (local.get $i) (local.get $ldc)))
                (i32.shl (local.get $j) (i32.const 2)))
              (local.get $ldc) (local.get $k))
            (local.set $j (i32.add (local.get $j) (i32.const 8)))
            (br $columns)))
        (if (i32.lt_s (local.get $j) (local.get $n))
          (then
            (call $column4 (local.get $a) (local.get $a_row) (local.get $a_column) (local.get $b) (local.get $ldb)
              (local.get $c) (local.get $ldc) (local.get $i) (i32.add (local.get $i) (i32.const 4))
              (local.get $j) (local.get $k))))
        (local.set $i (i32.add (local.get $i) (i32.const 4)))
        (br $rows)))
    (if (i32.eq (local.get $i) (local.get $m)) (then (return)))
    (local.set $j (i32.const 0))
    (block $rest_done
      (loop $rest
        (br_if $rest_done (i32.ge_s (local.get $j) (local.get $n)))
        (call $column4 (local.get $a) (local.get $a_row) (local.get $a_column) (local.get $b) (local.get $ldb)
          (local.get $c) (local.get $ldc) (local.get $i) (local.get $m) (local.get $j) (local.get $k))
        (local.set $j (i32.add (local.get $j) (i32.const 4)))
        (br $rest))))

  (func $clear (param $c i32) (param $ldc i32) (param $m i32) (param $n i32)
    (block $done
      (loop $rows
        (br_if $done (i32.le_s (local.get $m) (i32.const 0)))
        (memory.fill (local.get $c) (i32.const 0) (i32.shl (local.get $n) (i32.const 2)))
        (local.set $c (i32.add (local.get $c) (local.get $ldc)))
        (local.set $m (i32.sub (local.get $m) (i32.const 1)))
        (br $rows))))

  ;; Adds to a tile of 4 rows and 8 columns; its sums stay in registers. Strides are bytes.
  (func $tile4x8
    (param $a0 i32) (param $a_row i32) (param $a_column i32) (param $b i32) (param $ldb i32)
    (param $c i32) (param $ldc i32) (param $k i32)
    (local $a1 i32) (local $a2 i32) (local $a3 i32)
    (local $b0 v128) (local $b1 v128) (local $x v128)
    (local $c00 v128) (local $c01 v128) (local $c10 v128) (local $c11 v128)
    (local $c20 v128) (local $c21 v128) (local $c30 v128) (local $c31 v128)
    (local.set $a1 (i32.add (local.get $a0) (local.get $a_row)))
    (local.set $a2 (i32.add (local.get $a1) (local.get $a_row)))
    (local.set $a3 (i32.add (local.get $a2) (local.get $a_row)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $k)))
        (local.set $b0 (v128.load (local.get $b)))
        (local.set $b1 (v128.load offset=16 (local.get $b)))
        (local.set $x (v128.load32_splat (local.get $a0)))
        (local.set $c00 (f32x4.add (local.get $c00) (f32x4.mul (local.get $x) (local.get $b0))))
        (local.set $c01 (f32x4.add (local.get $c01) (f32x4.mul (local.get $x) (local.get $b1))))
        (local.set $x (v128.load32_splat (local.get $a1)))
        (local.set $c10 (f32x4.add (local.get $c10) (f32x4.mul (local.get $x) (local.get $b0))))
        (local.set $c11 (f32x4.add (local.get $c11) (f32x4.mul (local.get $x) (local.get $b1))))
        (local.set $x (v128.load32_splat (local.get $a2)))
        (local.set $c20 (f32x4.add (local.get $c20) (f32x4.mul (local.get $x) (local.get $b0))))
        (local.set $c21 (f32x4.add (local.get $c21) (f32x4.mul (local.get $x) (local.get $b1))))
        (local.set $x (v128.load32_splat (local.get $a3)))
        (local.set $c30 (f32x4.add (local.get $c30) (f32x4.mul (local.get $x) (local.get $b0))))
        (local.set $c31 (f32x4.add (local.get $c31) (f32x4.mul (local.get $x) (local.get $b1))))
        (local.set $a0 (i32.add (local.get $a0) (local.get $a_column)))
        (local.set $a1 (i32.add (local.get $a1) (local.get $a_column)))
        (local.set $a2 (i32.add (local.get $a2) (local.get $a_column)))
        (local.set $a3 (i32.add (local.get $a3) (local.get $a_column)))
        (local.set $b (i32.add (local.get $b) (local.get $ldb)))
        (local.set $k (i32.sub (local.get $k) (i32.const 1)))
        (br $next)))
    (call $add8 (local.get $c) (local.get $c00) (local.get $c01))
    (local.set $c (i32.add (local.get $c) (local.get $ldc)))
    (call $add8 (local.get $c) (local.get $c10) (local.get $c11))
    (local.set $c (i32.add (local.get $c) (local.get $ldc)))
    (call $add8 (local.get $c) (local.get $c20) (local.get $c21))
    (local.set $c (i32.add (local.get $c) (local.get $ldc)))
    (call $add8 (local.get $c) (local.get $c30) (local.get $c31)))

  (func $add8 (param $c i32) (param $low v128) (param $high v128)
    (v128.store (local.get $c) (f32x4.add (v128.load (local.get $c)) (local.get $low)))
    (v128.store offset=16 (local.get $c) (f32x4.add (v128.load offset=16 (local.get $c)) (local.get $high))))

  ;; Adds to rows [i, end) of the 4 columns from j on.
  (func $column4
    (param $a i32) (param $a_row i32) (param $a_column i32) (param $b i32) (param $ldb i32)
    (param $c i32) (param $ldc i32) (param $i i32) (param $end i32) (param $j i32) (param $k i32)
    (local $left i32) (local $pa i32) (local $pb i32) (local $sum v128)
    (local.set $a (i32.add (local.get $a) (i32.mul (local.get $i) (local.get $a_row))))
    (local.set $b (i32.add (local.get $b) (i32.shl (local.get $j) (i32.const 2))))
    (local.set $c (i32.add (i32.add (local.get $c) (i32.mul (local.get $i) (local.get $ldc)))
      (i32.shl (local.get $j) (i32.const 2))))
    (block $rows_done
      (loop $rows
        (br_if $rows_done (i32.ge_s (local.get $i) (local.get $end)))
        (local.set $sum (v128.const f32x4 0 0 0 0))
        (local.set $left (local.get $k))
        (local.set $pa (local.get $a))
        (local.set $pb (local.get $b))
        (block $done
          (loop $next
            (br_if $done (i32.eqz (local.get $left)))
            (local.set $sum (f32x4.add (local.get $sum)
              (f32x4.mul (v128.load32_splat (local.get $pa)) (v128.load (local.get $pb)))))
            (local.set $pa (i32.add (local.get $pa) (local.get $a_column)))
            (local.set $pb (i32.add (local.get $pb) (local.get $ldb)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br $next)))
        (v128.store (local.get $c) (f32x4.add (v128.load (local.get $c)) (local.get $sum)))
        (local.set $a (i32.add (local.get $a) (local.get $a_row)))
        (local.set $c (i32.add (local.get $c) (local.get $ldc)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $rows)))))
