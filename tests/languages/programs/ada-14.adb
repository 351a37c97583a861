with Ada.Command_Line;
with Ada.Containers.Indefinite_Ordered_Maps;
with Ada.Streams.Stream_IO;
with Ada.Text_IO; use Ada.Text_IO;

procedure Count is
   package Maps is new Ada.Containers.Indefinite_Ordered_Maps (String, Positive);
   Counts : Maps.Map;
   File   : Ada.Streams.Stream_IO.File_Type;

   function Image (Number : Natural) return String is
      Text : constant String := Number'Image;
   begin
      return Text (Text'First + 1 .. Text'Last);
   end Image;
begin
   while not End_Of_File loop
      declare
         Word : constant String := Get_Line;
      begin
         if Counts.Contains (Word) then
            Counts (Word) := Counts (Word) + 1;
         else
            Counts.Insert (Word, 1);
         end if;
      end;
   end loop;
   for Place in Counts.Iterate loop
      Put_Line (Maps.Key (Place) & ASCII.HT & Image (Maps.Element (Place)));
   end loop;
   Ada.Streams.Stream_IO.Create (File, Name => "/output/sum");
   String'Write (Ada.Streams.Stream_IO.Stream (File), Image (Natural (Counts.Length)));
   Ada.Streams.Stream_IO.Close (File);
   Ada.Command_Line.Set_Exit_Status (3);
end Count;
