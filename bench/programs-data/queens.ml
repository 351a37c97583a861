(* SPDX-License-Identifier: Apache-2.0 *)
(* Places eight queens, for bench/programs. *)
let rec queens n k =
  if k = 0 then [ [] ]
  else
    List.concat_map
      (fun qs ->
        List.filter_map
          (fun q ->
            let safe = List.for_all Fun.id (List.mapi (fun i c -> q <> c && abs (q - c) <> i + 1) qs) in
            if safe then Some (q :: qs) else None)
          (List.init n (fun i -> i + 1)))
      (queens n (k - 1))

let () = Printf.printf "%d\n" (List.length (queens 8 8))
