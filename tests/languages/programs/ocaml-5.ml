module Words = Map.Make (String)

let rec read counts =
  match In_channel.input_line stdin with
  | None -> counts
  | Some word ->
    read (Words.update word (fun n -> Some (1 + Option.value n ~default:0)) counts)

let () =
  let counts = read Words.empty in
  Words.iter (Printf.printf "%s\t%d\n") counts;
  Out_channel.with_open_text "/output/sum" (fun file ->
      Printf.fprintf file "%d" (Words.cardinal counts));
  exit 3
