program count;
uses Classes, SysUtils;
var
  names: TStringList;
  word: string;
  i: integer;
  sum: text;
begin
  names := TStringList.Create;
  names.Sorted := true;
  while not eof do
  begin
    readln(word);
    i := names.IndexOf(word);
    if i < 0 then i := names.Add(word);
    names.Objects[i] := TObject(PtrInt(names.Objects[i]) + 1);
  end;
  for i := 0 to names.Count - 1 do
    writeln(names[i], #9, PtrInt(names.Objects[i]));
  assign(sum, '/output/sum');
  rewrite(sum);
  write(sum, names.Count);
  close(sum);
  halt(3);
end.
